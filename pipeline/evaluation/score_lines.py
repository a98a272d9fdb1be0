"""Score lines: one dictionary for each method, item and view."""

from collections.abc import Sequence

from pipeline.runs.json_lines import Line


def of_method(lines: Sequence[Line], method: str) -> list[Line]:
    """The lines of one method."""
    return [line for line in lines if line["method"] == method]


def headline(lines: Sequence[Line]) -> list[Line]:
    """The lines over which headline means are taken: an item's novel views; all views of an item
    that has none.

    A gap of 0 is the input's own view (`yaw_gap_deg`); evaluations of earlier versions also have it
    where another camera has the input's yaw, and stay what they are.
    """
    with_novel = {line["item"] for line in lines if line["gap_deg"] is None or line["gap_deg"] > 0}
    return [
        line
        for line in lines
        if line["item"] not in with_novel or line["gap_deg"] is None or line["gap_deg"] > 0
    ]
