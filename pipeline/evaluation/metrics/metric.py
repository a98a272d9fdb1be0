"""How reports name a metric and show its numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

FORMER_MEANINGS = frozenset(
    {
        "structural similarity (Wang et al. 2004), Gaussian window of 11 pixels, σ 1.5",
        "structural similarity over five scales (Wang et al. 2003), negative values count as 0",
    }
)
"""What results say of a metric that was computed otherwise then: SSIM and MS-SSIM of [-1, 1]."""


def is_former(about: Mapping[str, Any]) -> bool:
    """Whether results describe a metric (`Metric.as_dict`) that is computed otherwise now."""
    return about.get("is") in FORMER_MEANINGS


@dataclass(frozen=True)
class Metric:
    """The description of a metric.

    Attributes:
        title: in tables.
        unit: of its numbers; empty for none.
        more_is_better: the direction.
        meaning: one line for readers.
        digits: after the decimal point.
        weights: file and sha256 of the network that it uses; None for none.
    """

    title: str
    unit: str
    more_is_better: bool
    meaning: str
    digits: int = 3
    weights: dict[str, str] | None = None

    def with_weights(self, file: dict[str, str]) -> "Metric":
        """The same with the file of the network that it uses."""
        return replace(self, weights=file)

    def as_dict(self) -> dict[str, Any]:
        """For `metrics` of results.json."""
        return {
            "title": self.title,
            "unit": self.unit,
            "more_is_better": self.more_is_better,
            "is": self.meaning,
            "digits": self.digits,
            "weights": self.weights,
        }
