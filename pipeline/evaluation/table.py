"""Tables of a whole suite beside the scores: what `extras` of the results holds."""

import math
from collections.abc import Sequence
from typing import Any

Cell = str | float | int | None


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], notes: Sequence[str] = ()) -> dict[str, Any]:
    """A titled table as plain JSON; numbers that aren't finite become None.

    Raises:
        ValueError: a row has another length than the header.
    """
    wrong = [row for row in rows if len(row) != len(columns)]
    if wrong:
        raise ValueError(f"a row of {len(wrong[0])} cells in the table {title!r} of {len(columns)} columns")
    return {
        "title": title,
        "table": {"columns": list(columns), "rows": [[_plain(cell) for cell in row] for row in rows]},
        "notes": list(notes),
    }


def _plain(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    return round(cell, 5) if math.isfinite(cell) else None
