"""Numbers in reports: digits by metric, a typographic minus, a dash for what is unknown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "–"
ABBREVIATIONS = ("dists", "fid", "kid", "lpips", "psnr", "ssim")


def number(value: float | int | None, digits: int, *, signed: bool = False) -> str:
    """A number with `digits` decimals."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value, digits) + 0.0  # no negative zero
    text = f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"
    return text.replace("-", "−")


def interval(entry: Mapping[str, Any] | None, digits: int, *, signed: bool = False) -> str:
    """The 95 % interval of a mean; empty where there is none, or a single identity."""
    if entry is None or entry.get("low") is None or entry.get("identities") == 1:
        return ""
    low, high = (number(entry[side], digits, signed=signed) for side in ("low", "high"))
    return f"{low} … {high}"


def times(factor: float) -> str:
    """A factor: 2.4×, 1,300×."""
    return f"{factor:.1f}×" if factor < 9.95 else f"{float(f'{factor:.3g}'):,.0f}×"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 image, 2 images."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def heading(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def digits_of(metric: Mapping[str, Any]) -> int:
    """Decimals of a metric."""
    digits = metric.get("digits")
    return 3 if digits is None else int(digits)


def label(metric: Mapping[str, Any], *, with_unit: bool = True) -> str:
    """A metric's title, the direction that is better, and its unit."""
    unit = f" ({metric['unit']})" if with_unit and metric.get("unit") else ""
    return f"{metric['title']} {'↑' if metric['more_is_better'] else '↓'}{unit}"


def metric_title(summary: Mapping[str, Any], name: str) -> str:
    """The title of a metric, also of one that was not computed."""
    known = (summary["metrics"].get(name) or {}).get("title")
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.split("_")]
    return known or ("MS-SSIM" if name == "ms_ssim" else " ".join(words))


def table_texts(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """The cells of any table; a column's fractions get four significant digits of its largest."""
    columns = [
        [_cell_text(cell, _digits(column)) for cell in column] for column in zip(*rows, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _digits(column: Sequence[Any]) -> int:
    numbers = [abs(cell) for cell in column if isinstance(cell, float) and math.isfinite(cell)]
    largest = max(numbers, default=0.0)
    return 3 if largest == 0 else min(6, max(0, 3 - math.floor(math.log10(largest))))


def _cell_text(value: Any, digits: int) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, digits) if isinstance(value, float) else str(value)
