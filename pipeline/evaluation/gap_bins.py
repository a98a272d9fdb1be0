"""Pictures by how far they are turned away from the given one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class GapBin:
    """Pictures whose yaw gap lies in (low, high] degrees; low = high = 0 is the given picture
    itself.
    """

    low: float | int
    high: float | int

    def __contains__(self, gap: float | None) -> bool:
        if gap is None:
            return False
        return gap == 0 if self.high == 0 else self.low < gap <= self.high

    @property
    def title(self) -> str:
        """For identities."""
        if self.high == 0:
            return "same view"
        return f"> {self.low:g}°" if math.isinf(self.high) else f"{self.low:g}–{self.high:g}°"


def gap_bins(edges: Sequence[float | int]) -> list[GapBin]:
    """The same view, the bins between the edges, and what lies beyond them."""
    inner = [GapBin(low, high) for low, high in pairwise(edges)]
    return [GapBin(0.0, 0.0), *inner, GapBin(edges[-1], math.inf)]
