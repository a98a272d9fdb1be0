"""Tables of a sweep: CSV of every cell, CSV and Markdown of means over seeds."""

import csv
import io
from collections.abc import Iterable, Sequence

from .results import Outcome, Row

LAST = ("step", "lift_ms", "parameters", "minutes")
"""Numbers that aren't scores: the last columns, in this order."""

DIGITS = {"step": 0, "lift_ms": 1, "minutes": 1, "loss": 4, "depth": 4, "view_error": 4}
TITLES = {
    "lift_ms": "lift, ms",
    "parameters": "parameters, M",
    "pixels": "Fréchet on pixels, × floor",
    "network": "Fréchet on network, × floor",
}


def columns(outcomes: Iterable[Outcome]) -> list[str]:
    """Names of all numbers: scores in alphabetical order, then `LAST`."""
    names = {name for outcome in outcomes for name in outcome.numbers}
    return [*sorted(names.difference(LAST)), *(name for name in LAST if name in names)]


def cells_csv(outcomes: Sequence[Outcome]) -> str:
    """One line per cell: what varies, state, numbers, error."""
    keys = list(dict.fromkeys(key for outcome in outcomes for key, _ in outcome.cell.varied))
    names = columns(outcomes)
    lines = [["cell", *keys, "state", *names, "error"]]
    for outcome in outcomes:
        varied = dict(outcome.cell.varied)
        numbers = [_full(outcome.numbers.get(name)) for name in names]
        lines.append(
            [
                outcome.cell.name,
                *(varied.get(key, "") for key in keys),
                outcome.state,
                *numbers,
                outcome.error or "",
            ]
        )
    return _csv(lines)


def rows_csv(rows: Sequence[Row]) -> str:
    """One line per setting: runs (`cells`), finished ones, mean and deviation of every number."""
    names = columns(outcome for row in rows for outcome in row.outcomes)
    lines = [
        [
            "setting",
            "cells",
            "finished",
            *(f"{name}{what}" for name in names for what in ("", "_sd")),
        ]
    ]
    for row in rows:
        numbers = [
            _full(value) for name in names for value in (row.mean(name), row.deviation(name))
        ]
        lines.append([row.title, str(len(row.runs)), str(len(row.finished)), *numbers])
    return _csv(lines)


def markdown(rows: Sequence[Row]) -> str:
    """One line per setting, mean ± standard deviation over the finished seeds; below it the failed
    cells with their errors.
    """
    names = columns(outcome for row in rows for outcome in row.outcomes)
    head = ["setting", "finished", *(TITLES.get(name, name) for name in names)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [
        [
            row.title,
            f"{len(row.finished)}/{len(row.runs)}",
            *(_shown(row, name) for name in names),
        ]
        for row in rows
    ]
    table = "\n".join(
        f"| {' | '.join(cell.replace('|', '·') for cell in line)} |" for line in lines
    )
    return f"{table}\n{_unfinished([outcome for row in rows for outcome in row.outcomes])}"


def _unfinished(outcomes: Sequence[Outcome]) -> str:
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    waiting = [
        outcome.cell.name for outcome in outcomes if outcome.state not in ("failed", "finished")
    ]
    text = ""
    if failed:
        text += "\nFailed:\n\n" + "".join(
            f"- `{outcome.cell.name}`: {outcome.error or 'no reason is known'}\n"
            for outcome in failed
        )
    if waiting:
        text += f"\nNot finished: {', '.join(f'`{name}`' for name in waiting)}\n"
    return text


def _shown(row: Row, name: str) -> str:
    mean, deviation = row.mean(name), row.deviation(name)
    if mean is None:
        return "–"
    if name == "parameters":
        return f"{mean / 1e6:.2f}"
    digits = DIGITS.get(name, 2)
    spread = f" ± {deviation:.{digits}f}" if deviation is not None and name not in LAST else ""
    return f"{mean:.{digits}f}{spread}"


def _full(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if value < 1e5 else f"{value:.0f}"


def _csv(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
