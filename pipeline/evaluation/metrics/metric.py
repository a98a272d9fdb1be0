"""What a metric is called, and how its numbers are to be read."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Metric:
    """The description of a metric.

    Attributes:
        title: in tables.
        unit: of its numbers; empty for none.
        more_is_better: which way is up.
        meaning: one line for identities.
        digits: after the point.
        weights: file and sha256 of the network that it looks through; None for none.
    """

    title: str
    unit: str
    more_is_better: bool
    meaning: str
    digits: int = 3
    weights: dict[str, str] | None = None

    def with_weights(self, file: dict[str, str]) -> "Metric":
        """The same, looked at through the network of a file."""
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
