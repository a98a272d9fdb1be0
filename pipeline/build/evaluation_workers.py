"""The other processes of an evaluation on one machine."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from pipeline.evaluation.shared_run import evaluate_share
from pipeline.evaluation.work_share import WorkShare
from teachers.kernels import choose_kernels

from .configuration import USER_ERRORS
from .evaluation import Evaluation


@contextmanager
def other_processes(
    settings: dict[str, Any], output: Path, folder: Path, count: int
) -> Iterator[Callable[[], bool]]:
    """Starts the processes 1 to `count` - 1 and waits for them at the end.

    They have as many threads as this one and the same kernels, so that scores are equal. They exit
    when this process is gone.

    Yields:
        a check to be made now and then: True, or the error of a process that has ended by one.

    Raises:
        ValueError: one of them met an error of the user.
        RuntimeError: one of them failed otherwise; it has printed why.
    """
    context = multiprocessing.get_context("spawn")
    errors = context.SimpleQueue()
    shared = (settings, output, folder, count, os.getpid(), torch.get_num_threads(), errors)
    processes = [
        context.Process(target=_work, args=(rank, *shared), daemon=True) for rank in range(1, count)
    ]
    for process in processes:
        process.start()

    def are_well() -> bool:
        for rank, process in enumerate(processes, 1):
            if process.exitcode:
                if not errors.empty():
                    raise ValueError(errors.get())
                raise RuntimeError(
                    f"process {rank} of the evaluation ended with status {process.exitcode}: the"
                    " same command continues the evaluation"
                )
        return True

    try:
        yield are_well
        for process in processes:
            process.join()
        are_well()
    except BaseException:
        for process in processes:
            process.terminate()
        raise


def device_of(rank: int, name: str) -> str:
    """The GPU of a process (they go round); any other device is shared by all."""
    is_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return f"cuda:{rank % torch.cuda.device_count()}" if is_cuda else name


def _work(
    rank: int,
    settings: dict[str, Any],
    output: Path,
    folder: Path,
    count: int,
    parent: int,
    threads: int,
    errors: "multiprocessing.SimpleQueue[str]",
) -> None:
    torch.set_num_threads(threads)
    choose_kernels(settings["kernels"])
    try:
        evaluation = Evaluation(OmegaConf.create(settings), device_of(rank, settings["device"]))
        share = WorkShare(rank, count)
        evaluate_share(
            evaluation.tasks, output, folder, share, is_wanted=lambda: os.getppid() == parent
        )
    except USER_ERRORS as error:
        errors.put(str(error))
        sys.exit(2)
