"""How reports name a metric and show its numbers."""

from dataclasses import dataclass, replace
from typing import Any


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
