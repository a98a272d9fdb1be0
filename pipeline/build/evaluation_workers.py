"""The work of an evaluation, shared among processes: each takes every n-th item and keeps lines of
its own.
"""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from pipeline.evaluation.engine import run_task
from pipeline.evaluation.shard import Shard
from pipeline.runs.files import sha256_of_json
from pipeline.runs.json_lines import Line, LineFile, read_lines

from .evaluation import Evaluation

POLL_SECONDS = 0.5


def lines_folder(output: Path, configuration: dict[str, Any]) -> Path:
    """Where the processes of one configuration keep their lines: those of another one never get
    among them.
    """
    return output / "lines" / sha256_of_json(configuration)[:16]


def all_lines(folder: Path) -> list[Line]:
    """What all processes have measured so far."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in read_lines(path)]


def answered(evaluation: Evaluation, lines: list[Line]) -> set[tuple[str, str]]:
    """The (method, item) pairs that have a line for every view."""
    counts = Counter((line["method"], line["item"], line["view"]) for line in lines)
    views = Counter((method, item) for method, item, _ in counts)
    wanted = {
        entry["name"]: entry["views"]
        for task in evaluation.tasks
        for entry in task.manifest["items"]
    }
    return {pair for pair, count in views.items() if count == wanted.get(pair[1])}


def unanswered(evaluation: Evaluation, lines: list[Line]) -> set[tuple[str, str]]:
    """The pairs that are still to be measured."""
    wanted = {
        (method, item)
        for task in evaluation.tasks
        for method in task.methods
        for item in task.item_names
    }
    return wanted - answered(evaluation, lines)


def do_share(
    evaluation: Evaluation,
    output: Path,
    folder: Path,
    shard: Shard,
    is_wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Measures what is missing of this process's items.

    Args:
        evaluation: what is asked.
        output: where pictures go.
        folder: where lines go.
        shard: which items.
        is_wanted: asked before every line is kept; SystemExit when the answer is no.
    """
    with LineFile(folder / f"{shard.rank:04d}.jsonl") as file:
        done = answered(evaluation, all_lines(folder))

        def append(lines: list[Line]) -> None:
            if not is_wanted():
                sys.exit(1)
            file.append(lines)

        for task in evaluation.tasks:
            run_task(task, output, shard=shard, done=done, append=append)


@contextmanager
def other_processes(
    settings: dict[str, Any], output: Path, folder: Path, count: int
) -> Iterator[None]:
    """Starts the processes 1 to `count` - 1 and waits for them at the end.

    They have as many threads as this one: numbers then are the same. They end when this process is
        gone.

    Raises:
        RuntimeError: one of them failed; it has said why.
    """
    context = multiprocessing.get_context("spawn")
    shared = (settings, output, folder, count, os.getpid(), torch.get_num_threads())
    processes = [
        context.Process(target=_work, args=(rank, *shared), daemon=True) for rank in range(1, count)
    ]
    for process in processes:
        process.start()
    try:
        yield
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    for rank, process in enumerate(processes, 1):
        process.join()
        if process.exitcode:
            raise RuntimeError(
                f"process {rank} of the evaluation ended with status {process.exitcode}; the same"
                " command goes on from here"
            )


def wait_for_others(evaluation: Evaluation, folder: Path) -> list[Line]:
    """All lines, once every process that a launcher has started is done with its share."""
    lines = all_lines(folder)
    while unanswered(evaluation, lines):
        time.sleep(POLL_SECONDS)
        lines = all_lines(folder)
    return lines


def _work(
    rank: int,
    settings: dict[str, Any],
    output: Path,
    folder: Path,
    count: int,
    parent: int,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    evaluation = Evaluation(OmegaConf.create(settings), device_of(rank, settings["device"]))
    do_share(
        evaluation, output, folder, Shard(rank, count), is_wanted=lambda: os.getppid() == parent
    )


def device_of(rank: int, name: str) -> str:
    """The GPUs go round among the processes; another device is everybody's."""
    is_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return f"cuda:{rank % torch.cuda.device_count()}" if is_cuda else name
