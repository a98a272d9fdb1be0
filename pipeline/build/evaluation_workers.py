"""The other processes of an evaluation on one machine."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from pipeline.evaluation.shared_run import evaluate_share
from pipeline.evaluation.work_share import WorkShare
from teachers.kernels import choose_kernels

from .evaluation import Evaluation


@contextmanager
def other_processes(
    settings: dict[str, Any], output: Path, folder: Path, count: int
) -> Iterator[None]:
    """Starts the processes 1 to `count` - 1 and waits for them at the end.

    They have as many threads as this one and the same kernels, so that scores are equal. They exit
    when this process is gone.

    Raises:
        RuntimeError: one of them failed; it has printed why.
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
                f"process {rank} of the evaluation ended with status {process.exitcode}: the same"
                " command continues the evaluation"
            )


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
) -> None:
    torch.set_num_threads(threads)
    choose_kernels(settings["kernels"])
    evaluation = Evaluation(OmegaConf.create(settings), device_of(rank, settings["device"]))
    share = WorkShare(rank, count)
    evaluate_share(
        evaluation.tasks, output, folder, share, is_wanted=lambda: os.getppid() == parent
    )
