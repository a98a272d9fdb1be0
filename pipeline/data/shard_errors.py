"""What can be wrong with shards, each kind by its name."""


class ShardError(ValueError):
    """Stored identities can't be used; says what came, what was expected, and what to do."""


class CorruptShard(ShardError):
    """A shard is missing, broken off, or its bytes are not those that were written."""


class MissingField(ShardError):
    """A stored identity lacks something that the reader needs."""


class WrongTeacher(ShardError):
    """The identities are another teacher's."""


class WrongSchema(ShardError):
    """The shards are of another kind or version."""


class WrongDistributions(ShardError):
    """The identities were drawn with other cameras, or by other distributions."""


class NumberOutsideRange(ShardError):
    """A sample number that isn't stored."""
