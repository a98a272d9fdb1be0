"""From rows to what is said: means with intervals, by yaw gap, as JSON and as a table."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .protocol import Row

REPORT_SCHEMA = 1
RESAMPLES = 1000

METRICS = {
    "psnr": ("PSNR", "dB", True),
    "psnr_person": ("PSNR person", "dB", True),
    "ssim": ("SSIM", "", True),
    "depth": ("depth error", "units", False),
    "depth_aligned": ("shape error", "units", False),
    "mask_iou": ("mask IoU", "", True),
}
"""Name → title, unit, whether more is better."""

DIGITS = {"psnr": 2, "psnr_person": 2, "ssim": 3, "depth": 4, "depth_aligned": 4, "mask_iou": 3}


@dataclass(frozen=True)
class Mean:
    """The mean over people of their mean pictures, with a 95 % interval over people."""

    mean: float
    low: float
    high: float
    people: int
    pictures: int


@dataclass(frozen=True)
class GapBin:
    """Pictures whose yaw gap lies in (low, high] degrees; low = high = 0 is the given picture itself."""

    low: float
    high: float

    def __contains__(self, gap: float) -> bool:
        return gap == 0 if self.high == 0 else self.low < gap <= self.high

    @property
    def title(self) -> str:
        """For people."""
        if self.high == 0:
            return "same view"
        return f"> {self.low:g}°" if math.isinf(self.high) else f"{self.low:g}–{self.high:g}°"


def gap_bins(edges: Sequence[float]) -> list[GapBin]:
    """The same view, the bins between the edges, and what lies beyond them."""
    inner = [GapBin(low, high) for low, high in pairwise(edges)]
    return [GapBin(0.0, 0.0), *inner, GapBin(edges[-1], math.inf)]


def mean_over_people(rows: Sequence[Row], metric: str) -> Mean | None:
    """The mean of a metric with the 2.5th and 97.5th percentile of resampled people; None if no row has a number.

    People are resampled, not pictures: the views of one person are not independent.
    """
    people: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        value = getattr(row, metric)
        if not math.isnan(value):
            people[row.person].append(value)
    if not people:
        return None
    means = np.array([np.mean(values) for values in people.values()])
    chosen = np.random.Generator(np.random.Philox(key=0)).integers(len(means), size=(RESAMPLES, len(means)))
    with np.errstate(invalid="ignore"):  # a perfect score is infinite
        low, high = np.percentile(means[chosen].mean(1), [2.5, 97.5])
    return Mean(float(means.mean()), float(low), float(high), len(means), sum(map(len, people.values())))


def summary(rows: Sequence[Row], edges: Sequence[float]) -> dict[str, Any]:
    """The numbers of one answer in one world: over all new views, and by yaw gap."""
    by_gap = []
    for gap_bin in gap_bins(edges):
        inside = [row for row in rows if row.gap_deg in gap_bin]
        if inside:
            by_gap.append({"title": gap_bin.title, "from_deg": gap_bin.low, "to_deg": _finite(gap_bin.high), **_numbers(inside)})
    return {"new_views": _numbers([row for row in rows if row.gap_deg > 0]), "by_yaw_gap": by_gap}


def _numbers(rows: Sequence[Row]) -> dict[str, Any]:
    means = {metric: mean_over_people(rows, metric) for metric in METRICS}
    return {metric: None if mean is None else _rounded(mean) for metric, mean in means.items()}


def to_json(report: dict[str, Any]) -> str:
    """Indented, keys in their order, a line for each of `rows`; every number is finite: what isn't becomes null."""
    rows = ",\n".join(f"  {_dumped(row)}" for row in _plain(report.get("rows", [])))
    text = _dumped({**_plain(report), "rows": []}, indent=1)
    return text.replace('"rows": []', f'"rows": [\n{rows}\n ]', 1) + "\n"


def _dumped(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def table(scores: dict[str, Any]) -> str:
    """New views of all answers, then the person's PSNR by yaw gap."""
    lines = [f"{'new views':26}" + "".join(f"{title:>13}" for title, _, _ in METRICS.values())]
    for name, entry in scores.items():
        lines.append(f"{name:26}" + "".join(f"{shown(entry['new_views'][metric], metric):>13}" for metric in METRICS))
    titles = _in_order(entry["title"] for scored in scores.values() for entry in scored["by_yaw_gap"])
    lines += ["", f"{'PSNR person by yaw gap':26}" + "".join(f"{title:>13}" for title in titles)]
    for name, entry in scores.items():
        gaps = {part["title"]: part["psnr_person"] for part in entry["by_yaw_gap"]}
        lines.append(f"{name:26}" + "".join(f"{shown(gaps.get(title), 'psnr_person'):>13}" for title in titles))
    return "\n".join(lines)


def shown(mean: dict[str, Any] | None, metric: str) -> str:
    """A mean with the digits that its metric deserves."""
    return "–" if mean is None or mean["mean"] is None else f"{mean['mean']:.{DIGITS[metric]}f}"


def _in_order(titles: Iterable[str]) -> list[str]:
    def key(title: str) -> tuple[bool, bool, float]:
        number = title.removeprefix("> ").rstrip("°").split("–")[0]
        return (title != "same view", title.startswith(">"), 0.0 if title == "same view" else float(number))

    return sorted(dict.fromkeys(titles), key=key)


def _rounded(mean: Mean) -> dict[str, float | int | None]:
    values = asdict(mean).items()
    return {name: value if isinstance(value, int) else _finite(round(value, 5)) for name, value in values}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _finite(value) if isinstance(value, float) else value
