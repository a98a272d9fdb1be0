"""Sample numbers: which are trained on, which are held out, and how processes share them."""

from typing import Any

FIRST_HELD_OUT = 1_000_000_000
"""Sample numbers from here on are never trained on: validation and benchmarks draw them."""


def batch_numbers(
    step: int, *, batch_size: int, rank: int = 0, world_size: int = 1, first: int = 0
) -> list[int]:
    """The sample numbers of one rank in one step: those of the step that are ≡ rank modulo the
    number of ranks.

    The step as a whole has the same numbers whatever the number of ranks, and none twice.

    Raises:
        ValueError: the batch can't be shared evenly.
    """
    if batch_size % world_size:
        raise ValueError(
            f"a batch of {batch_size} cannot be shared evenly by {world_size} processes: change"
            " batch_size or devices"
        )
    start = first + step * batch_size
    return [number for number in range(start, start + batch_size) if number % world_size == rank]


def process_numbers(trainer: Any, step: int, batch_size: int) -> list[int]:
    """`batch_numbers` of the process in which a Lightning trainer runs."""
    return batch_numbers(
        step,
        batch_size=batch_size,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
