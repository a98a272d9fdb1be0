"""Rows on the machine itself, and on whole commands."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from pipeline.command_line import VERBS
from tests.benchmarks.machine import ROOT
from tests.benchmarks.measuring import Contender, Work

CONVOLUTIONS = ((128, 256), (256, 128), (512, 64))
"""Channels and side of 3x3 convolutions: those of a teacher's planes and super-resolution."""


def rates(scale: str) -> dict[str, Contender]:
    """Convolutions and matrix products at the sizes that suit this machine best."""
    contenders = {}
    for channels, side in CONVOLUTIONS if scale == "full" else ((8, 16),):
        for name, layout in (
            ("", torch.contiguous_format),
            (", channels-last", torch.channels_last),
        ):
            x = torch.randn(1, channels, side, side).to(memory_format=layout)
            weight = torch.randn(channels, channels, 3, 3).to(memory_format=layout)
            contenders[f"convolution {channels} × {side}²{name}"] = Contender(
                convolution(x, weight), flop=2.0 * 9 * channels**2 * side**2
            )
    size = 2048 if scale == "full" else 64
    contenders["matrix product"] = matrix_product(size)
    return contenders


def convolution(x: torch.Tensor, weight: torch.Tensor) -> Work:
    """A work of one convolution."""

    def work() -> None:
        with torch.inference_mode():
            F.conv2d(x, weight, padding=1)

    return work


def matrix_product(size: int, dtype: torch.dtype = torch.float32) -> Contender:
    """A product of two square matrices."""
    left, right = (torch.randn(size, size, dtype=dtype) for _ in range(2))

    def work() -> None:
        with torch.inference_mode():
            left @ right

    return Contender(work, flop=2.0 * size**3)


def help_texts(scale: str) -> dict[str, Contender]:
    """The help text of every verb, from the shell."""
    verbs = VERBS if scale == "full" else VERBS[:1]
    return {verb: Contender(help_text(verb)) for verb in verbs}


def help_text(verb: str) -> Work:
    """A work that prints a verb's help."""

    def work() -> None:
        subprocess.run(
            [sys.executable, "-m", "pipeline.command_line", verb, "--help"],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    return work


def tests(scale: str) -> dict[str, Contender]:
    """`make test`, as it is given."""

    def work() -> None:
        folder = "tests" if scale == "full" else "tests/benchmarks/test_measuring.py"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        parallel = ["--numprocesses", "auto", "--maxprocesses", "8", "--dist", "worksteal"]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *parallel, folder],
            cwd=Path(ROOT), env=environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    return {"make test": Contender(work)}
