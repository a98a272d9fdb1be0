"""What can be wrong with shards, each kind by its name."""


class ShardError(ValueError):
    """Stored people can't be used; says what came, what was expected, and what to do."""


class CorruptShard(ShardError):
    """A shard is missing, broken off, or its bytes are not those that were written."""


class MissingField(ShardError):
    """A stored person lacks something that the reader needs."""


class WrongTeacher(ShardError):
    """The people are another teacher's."""


class WrongSchema(ShardError):
    """The shards are of another kind or version."""


class WrongLaws(ShardError):
    """The people were drawn with other cameras, or by other laws."""


class NumberOutsideRange(ShardError):
    """A sample number that isn't stored."""
