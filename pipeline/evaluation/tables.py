"""Tables of a whole suite: the values of `extras` in the results."""

import math
from collections.abc import Sequence
from typing import Any

CellValue = str | float | int | None


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[CellValue]],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """A table as plain JSON; numbers that aren't finite become None.

    Raises:
        ValueError: a row has another length than the header.
    """
    wrong = [row for row in rows if len(row) != len(columns)]
    if wrong:
        raise ValueError(
            f"a row of {len(wrong[0])} cells in the table {title!r} of {len(columns)} columns"
        )
    return {
        "title": title,
        "table": {
            "columns": list(columns),
            "rows": [[_plain(cell) for cell in row] for row in rows],
        },
        "notes": list(notes),
    }


def text_of(extra: dict[str, Any]) -> str:
    """The table for a terminal: title, header, one line for each row, notes."""
    rows = [
        [str(cell) for cell in extra["table"]["columns"]],
        *([_shown(cell) for cell in row] for row in extra["table"]["rows"]),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'>' if number else '<'}{width}}"
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(
        [
            extra["title"],
            *(line.rstrip() for line in lines),
            *(f"· {note}" for note in extra["notes"]),
        ]
    )


def _shown(cell: CellValue) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _plain(cell: CellValue) -> CellValue:
    if not isinstance(cell, float):
        return cell
    return round(cell, 5) if math.isfinite(cell) else None
