"""Which items are this process's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of several processes that share the items: every `count`-th is its own, from `rank` on.

    Attributes:
        rank: from 0 on.
        count: how many processes there are.
    """

    rank: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise ValueError(
                f"process {self.rank} of {self.count}: ranks go from 0 to {self.count - 1}"
            )

    @property
    def is_first(self) -> bool:
        """Whether it puts the results together."""
        return self.rank == 0

    def of(self, count: int) -> range:
        """Its own among so many items."""
        return range(self.rank, count, self.count)


def shard_of_launcher(environment: Mapping[str, str] = os.environ) -> Shard:
    """What torchrun or srun says about this process; one of one without either.

    A single task of SLURM is a shell or a batch script: it counts as one process.
    """
    for rank, count in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in environment and count in environment:
            return Shard(int(environment[rank]), int(environment[count]))
    return Shard()
