"""Score lines: one dictionary for each method, item and view."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.runs.json_lines import Line, read_lines
from pipeline.runs.renamed import current


def read_score_lines(path: Path) -> list[Line]:
    """The lines of a file with today's keys; none if there is no file.

    Raises:
        ValueError: a line other than the last is damaged.
    """
    return [current(line) for line in read_lines(path)]


def of_method(lines: Sequence[Line], method: str) -> list[Line]:
    """The lines of one method."""
    return [line for line in lines if line["method"] == method]


def headline(lines: Sequence[Line]) -> list[Line]:
    """The lines over which headline means are taken: an item's novel views; all views of an item
    that has none.
    """
    with_novel = {line["item"] for line in lines if line["gap_deg"] is None or line["gap_deg"] > 0}
    return [
        line
        for line in lines
        if line["item"] not in with_novel or line["gap_deg"] is None or line["gap_deg"] > 0
    ]
