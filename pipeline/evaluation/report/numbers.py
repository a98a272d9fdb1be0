"""Numbers as a reader wants them: the digits that they deserve, a real minus, milliseconds or
minutes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "–"
ABBREVIATIONS = ("dists", "fid", "kid", "lpips", "psnr", "ssim")


def number(value: float | int | None, digits: int, *, signed: bool = False) -> str:
    """A number with so many digits after the point."""
    if value is None or not math.isfinite(value):
        return NOTHING
    rounded = round(value, digits) + 0.0  # no negative zero
    text = f"{rounded:+.{digits}f}" if signed and rounded else f"{rounded:.{digits}f}"
    return text.replace("-", "−")


def digits_of(metric: dict[str, Any]) -> int:
    """How many digits a metric deserves."""
    digits = metric.get("digits")
    return 3 if digits is None else int(digits)


def metric_title(told: Mapping[str, Any], name: str) -> str:
    """What a metric is called, also if it wasn't computed."""
    known = (told["metrics"].get(name) or {}).get("title")
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.split("_")]
    return known or ("MS-SSIM" if name == "ms_ssim" else " ".join(words))


def interval(entry: dict[str, Any] | None, digits: int, *, signed: bool = False) -> str:
    """The 95 % interval of a mean; empty where there is none."""
    if entry is None or entry.get("low") is None or entry.get("high") is None:
        return ""
    return (
        f"{number(entry['low'], digits, signed=signed)} …"
        f" {number(entry['high'], digits, signed=signed)}"
    )


def times(factor: float) -> str:
    """A factor: 2.4×, 1,300×."""
    return f"{factor:.1f}×" if factor < 9.95 else f"{float(f'{factor:.3g}'):,.0f}×"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 picture, 2 pictures."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def heading(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def table_texts(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """The cells of any table: the fractions of a column get as many digits as the largest of them
    needs for four.
    """
    columns = [
        [_cell_text(cell, _digits(column)) for cell in column] for column in zip(*rows, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _digits(column: Sequence[Any]) -> int:
    largest = max(
        (abs(cell) for cell in column if isinstance(cell, float) and math.isfinite(cell)),
        default=0.0,
    )
    return 3 if largest == 0 else min(6, max(0, 3 - math.floor(math.log10(largest))))


def _cell_text(value: Any, digits: int) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, digits) if isinstance(value, float) else str(value)


def label(metric: dict[str, Any], *, with_unit: bool = True) -> str:
    """A metric's title, which way is up, and its unit."""
    unit = f" ({metric['unit']})" if with_unit and metric.get("unit") else ""
    return f"{metric['title']} {'↑' if metric['more_is_better'] else '↓'}{unit}"
