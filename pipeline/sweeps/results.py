"""Results of a sweep's cells: last scores, and what their students cost."""

import csv
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.runs.curves import read_curves

from .cell import Cell, State, but_the_seed

SCORE = "validation/"
"""Curves whose last values are scores."""


@dataclass(frozen=True)
class Outcome:
    """One cell and its numbers: scores by name, `step`, `minutes`, and for a student `parameters`
    and `lift_ms`.
    """

    cell: Cell
    state: State
    error: str | None
    numbers: dict[str, float]


@dataclass(frozen=True)
class Row:
    """Cells that differ only in the seed: mean and sample standard deviation of their numbers, with
    every seed once.
    """

    varied: tuple[tuple[str, str], ...]
    outcomes: tuple[Outcome, ...]

    @property
    def title(self) -> str:
        """The values that vary."""
        return (
            ", ".join(
                value if key == "experiment" else f"{key}={value}" for key, value in self.varied
            )
            or "all"
        )

    @property
    def runs(self) -> list[Outcome]:
        """One cell for each seed, a finished one if there is.

        Two folders hold one run where one command gave the seed that another left at its default.
        """
        found: dict[str, Outcome] = {}
        for outcome in sorted(self.outcomes, key=lambda outcome: outcome.state != "finished"):
            found.setdefault(_seed(outcome.cell), outcome)
        return list(found.values())

    @property
    def finished(self) -> list[Outcome]:
        """The finished runs, over which means are taken."""
        return [outcome for outcome in self.runs if outcome.state == "finished"]

    def mean(self, name: str) -> float | None:
        """Over the finished cells; None if none has the number."""
        values = self._values(name)
        return statistics.fmean(values) if values else None

    def deviation(self, name: str) -> float | None:
        """None for fewer than two cells."""
        values = self._values(name)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, name: str) -> list[float]:
        return [
            outcome.numbers[name]
            for outcome in self.finished
            if math.isfinite(outcome.numbers.get(name, math.nan))
        ]


def outcomes_of(cells: Sequence[Cell]) -> list[Outcome]:
    """The state of every cell, and the numbers of the finished ones."""
    speeds: dict[str, float] = {}
    outcomes = []
    for cell in cells:
        record, state = cell.record(), cell.state
        numbers = (
            last_scores(cell.folder) | _student_numbers(cell.folder, speeds)
            if state == "finished"
            else {}
        )
        minutes = {"minutes": record.seconds / 60} if record else {}
        error = cell.mistake or (record.error if record and state == "failed" else None)
        outcomes.append(
            Outcome(cell, "failed" if cell.mistake else state, error, numbers | minutes)
        )
    return outcomes


def rows_of(outcomes: Iterable[Outcome]) -> list[Row]:
    """Cells grouped by what varies but the seed, in the order of the first cells."""
    groups: dict[frozenset[tuple[str, str]], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(frozenset(but_the_seed(outcome.cell.varied)), []).append(outcome)
    return [
        Row(but_the_seed(members[0].cell.varied), tuple(members)) for members in groups.values()
    ]


def _seed(cell: Cell) -> str:
    """Of the configuration; a cell of which nothing says it counts as a run of its own."""
    given = dict(cell.varied).get("seed", cell.name)
    return str((cell.configuration or {}).get("seed", given))


def last_scores(run: Path) -> dict[str, float]:
    """The last value of every validation curve by its bare name, and the `step` it belongs to; of
    a teacher's training the last of its scores, Fréchet distances in multiples of the floor.
    """
    if (run / "scores.csv").is_file():
        return _teacher_scores(run / "scores.csv")
    curves = {
        name: curve
        for name, curve in read_curves(run / "metrics").items()
        if name.startswith(SCORE) and curve
    }
    steps = {"step": max(curve[-1][0] for curve in curves.values())} if curves else {}
    return {name.removeprefix(SCORE): curve[-1][1] for name, curve in curves.items()} | steps


def _teacher_scores(file: Path) -> dict[str, float]:
    with file.open(newline="") as lines:
        rows = [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)
        ]
    if not rows:
        return {}
    last = rows[-1]
    floors = {name.removesuffix("_floor"): last[name] for name in last if name.endswith("_floor")}
    scores = {name: value / floors.get(name, 1.0) for name, value in last.items()}
    others = {"images", *(f"{name}_floor" for name in floors)}
    kept = {name: value for name, value in scores.items() if name not in others}
    return kept | {"step": last["images"]}


def _student_numbers(run: Path, speeds: dict[str, float]) -> dict[str, float]:
    file = run / "student.safetensors"
    if not file.exists():
        return {}
    from .student_cost import (
        student_cost,
    )  # loads torch, which a table without students can do without

    return student_cost(file, speeds)
