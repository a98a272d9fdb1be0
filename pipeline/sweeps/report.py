"""The report of a sweep: cells.csv, table.csv, table.md and pareto.png in its folder."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.runs.files import write_text

from .cell import Cell
from .pareto import Point, pareto_picture
from .results import Row, outcomes_of, rows_of
from .table import cells_csv, markdown, rows_csv

log = logging.getLogger("trilift.sweep")

FINISHED, FAILED, UNFINISHED = 0, 1, 75


def write_report(
    folder: Path,
    cells: Sequence[Cell],
    *,
    earlier: Sequence[Cell] = (),
    quality: str = "psnr_novel",
    more_is_better: bool = True,
) -> int:
    """Writes the tables and the picture, prints the table; returns the sweep's exit status.

    Args:
        folder: of the sweep.
        cells: of the present command; they decide the exit status.
        earlier: other cells in the folder, for the tables.
        quality: the score on the picture's vertical axis.
        more_is_better: of that score.
    """
    outcomes, before = outcomes_of(cells), outcomes_of(earlier)
    rows = rows_of([*outcomes, *before])
    write_text(folder / "cells.csv", cells_csv([*outcomes, *before]))
    write_text(folder / "table.csv", rows_csv(rows))
    write_text(folder / "table.md", markdown(rows))
    sys.stdout.write(markdown(rows))
    sys.stdout.flush()
    points = [point for row in rows if (point := _point(row, quality)) is not None]
    if points:
        from pipeline.pictures import write_png  # loads torch, as the students of the points did

        write_png(
            folder / "pareto.png",
            pareto_picture(points, quality=quality, more_is_better=more_is_better),
        )
    else:
        log.info("no finished cell has %s, lift_ms and parameters: no pareto.png", quality)
    log.info("cells.csv, table.csv, table.md%s are in %s", ", pareto.png" if points else "", folder)
    if before:
        log.info("%d cells of earlier commands are in the tables, too", len(before))
    states = {outcome.state for outcome in outcomes}
    if states <= {"finished"}:
        return FINISHED
    log.info(
        "%d of %d cells are finished; the same command continues",
        sum(o.state == "finished" for o in outcomes),
        len(outcomes),
    )
    return FAILED if "failed" in states else UNFINISHED


def _point(row: Row, quality: str) -> Point | None:
    mean, lift_ms, parameters = row.mean(quality), row.mean("lift_ms"), row.mean("parameters")
    if mean is None or lift_ms is None or parameters is None:
        return None
    return Point(row.title, mean, row.deviation(quality), lift_ms, parameters)
