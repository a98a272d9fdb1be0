"""The curves that a run logged into its metrics.csv files."""

import csv
from pathlib import Path

Curve = list[tuple[float, float]]
"""(step, value) pairs in the order of steps."""


def read_curves(metrics: Path) -> dict[str, Curve]:
    """Curves by name from all metrics.csv below a folder; a resumed run has several.

    Where two files hold the same step, the later file wins: the run resumed from before that step.
    Cells without a number and lines that a killed run left unfinished are skipped.
    """
    curves: dict[str, dict[float, float]] = {}
    for file in sorted(metrics.glob("**/metrics.csv"), key=_version):
        with file.open(newline="") as lines:
            for row in csv.DictReader(lines):
                step = _number(row.get("step"))
                if step is None:
                    continue
                for name, cell in row.items():
                    value = _number(cell)
                    if name and name != "step" and value is not None:
                        curves.setdefault(name, {})[step] = value
    return {name: sorted(values.items()) for name, values in curves.items()}


def smoothed(curve: Curve, points: int = 60) -> Curve:
    """At most `points` points, each the mean of consecutive ones."""
    width = max(1, -(-len(curve) // points))
    pieces = [curve[start : start + width] for start in range(0, len(curve), width)]
    return [
        (sum(x for x, _ in piece) / len(piece), sum(y for _, y in piece) / len(piece))
        for piece in pieces
    ]


def _version(file: Path) -> tuple[int, str]:
    number = file.parent.name.rpartition("_")[2]
    return (int(number) if number.isdigit() else -1, str(file))


def _number(cell: object) -> float | None:
    try:
        return float(cell) if isinstance(cell, str) else None
    except ValueError:
        return None
