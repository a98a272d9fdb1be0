"""Batches of stored images, not rendered again; equal to live batches within stored precision."""

from .record_source import ShardSource


class FullShards(ShardSource):
    """A `BatchSource` of the shards of `trilift generate shards=full`.

    Planes that aren't stored are synthesised again from the stored z.
    """

    kind = "full"
