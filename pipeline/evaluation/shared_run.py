"""An evaluation shared among processes: each evaluates every n-th item and appends its score lines
to a file of its own.
"""

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.runs.files import sha256_of_json
from pipeline.runs.json_lines import Line, LineFile, read_lines
from pipeline.runs.markers import decisive

from .engine import Task, run_task
from .work_share import WorkShare

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
NOTE_SECONDS = 60.0


def lines_folder(output: Path, configuration: dict[str, Any], free: Sequence[str]) -> Path:
    """The folder of the score lines of one configuration: lines of another one are kept apart.

    Args:
        output: of the evaluation.
        configuration: plain values.
        free: dotted keys that don't decide scores.
    """
    kept = decisive(json.loads(json.dumps(configuration)), free)
    return output / "lines" / sha256_of_json(kept)[:16]


def all_lines(folder: Path) -> list[Line]:
    """The lines of all processes so far."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in read_lines(path)]


def begun_lines(output: Path) -> list[Line]:
    """The lines of an evaluation so far, whatever version began it."""
    folders = sorted((output / "lines").glob("*"))
    return [line for folder in folders for line in all_lines(folder)]


def scored(tasks: Sequence[Task], lines: list[Line]) -> set[tuple[str, str]]:
    """The (method, item) pairs that have a line for every view."""
    counts = Counter((line["method"], line["item"], line["view"]) for line in lines)
    views = Counter((method, item) for method, item, _ in counts)
    wanted = {entry["name"]: entry["views"] for task in tasks for entry in task.manifest["items"]}
    return {pair for pair, count in views.items() if count == wanted.get(pair[1])}


def missing(tasks: Sequence[Task], lines: list[Line]) -> set[tuple[str, str]]:
    """The (method, item) pairs that are still to be scored."""
    wanted = {
        (method, item) for task in tasks for method in task.method_names for item in task.item_names
    }
    return wanted - scored(tasks, lines)


def require_same_methods(tasks: Sequence[Task], lines: list[Line]) -> None:
    """Checks that what is missing will be computed as what is there was: the files of LPIPS, by
    which inversions descend, may have come or gone.

    Raises:
        ValueError: a method has other notes now.
    """
    left = {method for method, _ in missing(tasks, lines)}
    for method in (one for task in tasks for one in task.methods if one.name in left):
        for line in lines:
            before = line.get("method_notes", list(method.notes))  # earlier versions wrote none
            if line["method"] == method.name and before != list(method.notes):
                raise ValueError(
                    f"{method.name} began with {'; '.join(before) or 'no notes'} and would go on"
                    f" with {'; '.join(method.notes) or 'none'}: restore what it had (the files in"
                    " paths.weights), or evaluate into a new folder"
                )


def evaluate_share(
    tasks: Sequence[Task],
    output: Path,
    folder: Path,
    share: WorkShare,
    is_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Scores what is missing of this process's items.

    Args:
        tasks: what is evaluated.
        output: folder of the images.
        folder: of the score lines.
        share: the items of this process.
        is_wanted: called before lines are appended; the process exits when it returns False.
    """
    with LineFile(folder / f"{share.rank:04d}.jsonl") as file:
        lines = all_lines(folder)
        require_same_methods(tasks, lines)
        done = scored(tasks, lines)

        def append(lines: list[Line]) -> None:
            if not is_wanted():
                sys.exit(1)
            file.append(lines)

        for task in tasks:
            run_task(task, output, share=share, done=done, append=append)


def wait_for_others(tasks: Sequence[Task], folder: Path, share: WorkShare) -> list[Line]:
    """All lines, once every process that a launcher started has finished its share; says now and
    then whose share isn't, since a process may never have been started.
    """
    lines, noted = all_lines(folder), time.monotonic()
    while left := missing(tasks, lines):
        if time.monotonic() - noted >= NOTE_SECONDS:
            noted = time.monotonic()
            log.info(
                "waiting for process %s of %d (numbered from 0): %d pairs of a method and an item"
                " aren't scored",
                ", ".join(map(str, _ranks(tasks, left, share.count))),
                share.count,
                len(left),
            )
        time.sleep(POLL_SECONDS)
        lines = all_lines(folder)
    return lines


def _ranks(tasks: Sequence[Task], pairs: set[tuple[str, str]], count: int) -> list[int]:
    """The processes to whose shares these pairs belong."""
    items = {item for _, item in pairs}
    return [
        rank
        for rank in range(count)
        if any(
            task.item_names[place] in items
            for task in tasks
            for place in WorkShare(rank, count).of(len(task.item_names))
        )
    ]
