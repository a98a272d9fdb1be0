"""Which identities train, validate and test.

An identity's split is part of its type, so that no code path can mix them.
"""

from dataclasses import dataclass, replace
from enum import Enum

PER_SPLIT = 1_000_000
"""Identities in a split."""


class Split(Enum):
    """A range of seeds; the value is its first."""

    TRAIN = 0
    VALIDATE = PER_SPLIT
    TEST = 2 * PER_SPLIT


@dataclass(frozen=True)
class WorldSeeds:
    """The seeds of a batch of identities, all of one split, one for each factor.

    Made by `WorldSeeds.of`; the constructor refuses seeds outside the split.
    """

    split: Split
    identity: list[int]
    expression: list[int]
    light: list[int]
    background: list[int]

    def __post_init__(self) -> None:
        for factor in ("identity", "expression", "light", "background"):
            seeds = getattr(self, factor)
            if len(seeds) != len(self.identity):
                raise ValueError(
                    f"{len(seeds)} {factor} seeds came with {len(self.identity)} identity seeds:"
                    " give one of each per identity."
                )
            wrong = [
                seed
                for seed in seeds
                if not self.split.value <= seed < self.split.value + PER_SPLIT
            ]
            if wrong:
                raise ValueError(
                    f"{factor} seed {wrong[0]} is not of the {self.split.name.lower()} split"
                    f" ({self.split.value} to {self.split.value + PER_SPLIT - 1}): use"
                    " WorldSeeds.of(split, numbers)."
                )

    @classmethod
    def of(cls, split: Split, numbers: list[int] | range) -> "WorldSeeds":
        """The identities with these numbers (from 0) in the split.

        Raises:
            ValueError: a number is negative or not below 1,000,000.
        """
        wrong = [number for number in numbers if not 0 <= number < PER_SPLIT]
        if wrong:
            raise ValueError(
                f"identity {wrong[0]} came, but a split has identities 0 to {PER_SPLIT - 1}:"
                " numbers count from 0 in every split."
            )
        seeds = [split.value + number for number in numbers]
        return cls(split, seeds, seeds, seeds, seeds)

    def with_expression(self, numbers: list[int]) -> "WorldSeeds":
        """The same identities with other expressions, of the same split."""
        return replace(self, expression=WorldSeeds.of(self.split, numbers).identity)

    def with_light(self, numbers: list[int]) -> "WorldSeeds":
        """The same identities in other light, of the same split."""
        return replace(self, light=WorldSeeds.of(self.split, numbers).identity)

    def with_background(self, numbers: list[int]) -> "WorldSeeds":
        """The same identities before other backgrounds, of the same split."""
        return replace(self, background=WorldSeeds.of(self.split, numbers).identity)

    def __len__(self) -> int:
        return len(self.identity)

    def __getitem__(self, rows: slice) -> "WorldSeeds":
        return WorldSeeds(
            self.split,
            self.identity[rows],
            self.expression[rows],
            self.light[rows],
            self.background[rows],
        )
