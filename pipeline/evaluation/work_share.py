"""Which items a process evaluates when several share an evaluation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkShare:
    """Every `count`-th item, from `rank` on.

    Attributes:
        rank: of this process, from 0 on.
        count: number of processes.
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
        """Whether this process writes the results."""
        return self.rank == 0

    def of(self, count: int) -> range:
        """The indices of its items among `count`."""
        return range(self.rank, count, self.count)


def share_of_launcher(environment: Mapping[str, str] = os.environ) -> WorkShare:
    """The share that torchrun or srun assigns to this process; everything without either.

    A shell or a batch script of SLURM counts as one process: it has the rank 0 and the number of
    tasks of the whole job, but only steps of srun run in so many processes.
    """
    for rank, count in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        if rank in environment and count in environment:
            return WorkShare(int(environment[rank]), int(environment[count]))
    return WorkShare()
