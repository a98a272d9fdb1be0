"""Errors of shards, one class per kind."""


class ShardError(ValueError):
    """Stored identities can't be used."""


class CorruptShard(ShardError):
    """A shard is missing or truncated, or its bytes are not those that were written."""


class MissingField(ShardError):
    """A stored identity lacks a field that the reader requires."""


class WrongTeacher(ShardError):
    """Another teacher generated the identities."""


class WrongSchema(ShardError):
    """The shards have another kind or schema version."""


class WrongDistributions(ShardError):
    """The identities were drawn from other distributions of latents or cameras."""


class NumberOutsideRange(ShardError):
    """A sample number that isn't stored."""
