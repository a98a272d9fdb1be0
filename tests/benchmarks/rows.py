"""What is measured: rows of work, and what each is to reach.

A row's work is a function "module:name" of this folder, called with a scale ("full", or "tiny" in
tests) in a process of its own; it returns the contenders by name.
"""

import importlib
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.benchmarks.measuring import Contender, paired_ratio

Quantity = Literal[
    "ratio", "fastest_ratio", "seconds", "slowest", "fastest", "peak_gb", "peak_ratio",
    "rate_share", "exponent",
]  # fmt: skip


@dataclass(frozen=True)
class Aim:
    """A target of issue and release notes, in a form that can be checked.

    Attributes:
        text: as it is printed.
        quantity: what is compared: "ratio" of two contenders' times (times `factor`), "seconds" of
            one, of the "slowest" or "fastest" of all, "fastest_ratio" of all to one, "peak_gb" of
            memory, "peak_ratio" of two, "rate_share" (of one's operations a second of the
            other's), the largest "exponent" of growth.
        of, to: contenders: of the fast side, and of what it is compared with.
        at_least, at_most: the limit.
        factor: see `quantity`.
    """

    text: str
    quantity: Quantity
    of: str = "fast"
    to: str = "readable"
    at_least: float | None = None
    at_most: float | None = None
    factor: float = 1.0

    def measured(self, row: Mapping[str, Any]) -> float | None:
        """The quantity in a row's result; None if it wasn't measured."""
        contenders = row.get("contenders", {})
        of, to = contenders.get(self.of, {}), contenders.get(self.to, {})
        match self.quantity:
            case "exponent":
                fits = [curve["exponent"] for curve in row.get("growth", {}).values()]
                return max(fits) if fits else None
            case "slowest" | "fastest":
                times = [one["seconds"] for one in contenders.values() if one.get("seconds")]
                choose = max if self.quantity == "slowest" else min
                return choose(map(statistics.median, times)) if times else None
            case "fastest_ratio" if to.get("seconds"):
                times = [one["seconds"] for one in contenders.values() if one.get("seconds")]
                return max(paired_ratio(to["seconds"], one) for one in times)
            case "ratio" if of.get("seconds") and to.get("seconds"):
                return self.factor * paired_ratio(to["seconds"], of["seconds"])
            case "seconds" if of.get("seconds"):
                return statistics.median(of["seconds"])
            case "peak_gb" if of.get("peak_bytes"):
                return of["peak_bytes"] / 1e9
            case "peak_ratio" if of.get("peak_bytes") and to.get("peak_bytes"):
                return of["peak_bytes"] / to["peak_bytes"]
            case "rate_share" if all(one.get("seconds") and one.get("flop") for one in (of, to)):
                return rate(of) / rate(to)
        return None

    def is_met(self, value: float) -> bool:
        """Whether a measured value is good enough."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def missing_factor(self, value: float) -> float:
        """By which factor a value misses the target; 1 if it doesn't."""
        if self.is_met(value):
            return 1.0
        return self.at_least / value if self.at_least is not None else value / self.at_most  # type: ignore[operator]


def rate(contender: Mapping[str, Any]) -> float:
    """Floating-point operations a second."""
    return contender["flop"] / statistics.median(contender["seconds"])


@dataclass(frozen=True)
class Row:
    """A row of the tables.

    Attributes:
        name: key of the JSON.
        title: as it is printed.
        work: "module:function" of this folder.
        aims: what it is to reach.
        limit: seconds that it may take, start of its process included.
        unit: what the times are of.
        per: units in a call.
        rounds: at most; 0: only peak memory.
        warm_up: whether each contender runs once before.
        threads: of torch; None: one a core.
        memory: contenders whose peak memory is measured, each in a process of its own.
    """

    name: str
    title: str
    work: str
    aims: tuple[Aim, ...] = ()
    limit: float = 60
    unit: str = "image"
    per: float = 1
    rounds: int = 5
    warm_up: bool = True
    threads: int | None = None
    memory: tuple[str, ...] = ()

    def function(self) -> Callable[[str], Any]:
        """The work, imported."""
        module, _, name = self.work.partition(":")
        return getattr(importlib.import_module(f"tests.benchmarks.{module}"), name)

    def contenders(self, scale: str) -> dict[str, Contender]:
        """Built for a scale."""
        return dict(self.function()(scale))


TWICE = "≥ 2 × readable"

SHORT = (
    Row("rates", "best rates of this machine", "works_machine:rates", limit=15, unit="call"),
    Row(
        "image",
        "512² teacher image, fp32",
        "works_teacher:image",
        aims=(
            Aim("≥ 2.3 × the baseline", "ratio", to="baseline", at_least=2.3),
            Aim("≤ 0.8 GB peak", "peak_gb", at_most=0.8),
            Aim(
                "two cameras ≥ 2.6 × two baseline images", "ratio",
                of="fast, two cameras", to="baseline", at_least=2.6, factor=2,
            ),
        ),
        limit=190,
        memory=("baseline", "readable", "fast"),
    ),
    Row(
        "image_bfloat16",
        "512² teacher image, bf16",
        "works_teacher:image_bfloat16",
        aims=(Aim("≥ 5 × the baseline (mean error ≤ 1/255)", "ratio", of="fast, bf16",
                  to="baseline", at_least=5),),
        limit=60,
    ),
    Row(
        "rays",
        "128² rays from cached planes, forward",
        "works_teacher:rays",
        aims=(Aim("≥ 6 × the baseline", "ratio", to="baseline", at_least=6),),
        limit=50,
    ),
    Row(
        "batch",
        "memory of a batch of 4 (512²)",
        "works_teacher:batch",
        aims=(Aim("batch of 4 ≤ 1.3 × one image", "peak_ratio", of="fast, batch 4",
                  to="fast, batch 1", at_most=1.3),),
        limit=35,
        rounds=0,
        memory=("fast, batch 1", "fast, batch 4"),
    ),
    Row(
        "laptop",
        "a step of distill experiment=laptop",
        "works_training:laptop",
        limit=120,
        unit="step",
        rounds=3,
    ),
    Row(
        "pretrain",
        "a step of pretrain (64² rays, 64² images)",
        "works_training:pretrain",
        aims=(Aim(TWICE, "ratio", at_least=2),),
        limit=70,
        unit="step",
        rounds=3,
        threads=1,
    ),
    Row("puppets64", "puppets at 64²", "works_training:puppets64",
        aims=(Aim(TWICE, "ratio", at_least=2),), limit=75, unit="image", per=8, rounds=3,
        threads=1),
    Row("puppets128", "puppets at 128²", "works_training:puppets128",
        aims=(Aim(TWICE, "ratio", at_least=2),), limit=60, unit="image", per=4, rounds=3,
        threads=1),
    Row("w", "inversion: W, a step", "works_lifting:inversion_w",
        aims=(Aim(TWICE, "ratio", at_least=2),), limit=30, unit="step", per=4),
    Row("pti", "inversion: PTI, a step of either phase", "works_lifting:inversion_pti",
        aims=(Aim(TWICE, "ratio", at_least=2),), limit=35, unit="step", per=4),
    Row("hybrid", "inversion: hybrid, a step", "works_lifting:inversion_hybrid",
        aims=(Aim(TWICE, "ratio", at_least=2),), limit=30, unit="step", per=4),
    Row(
        "tiny_lift",
        "tiny: one photograph from file to planes, warm",
        "works_lifting:tiny_lift",
        aims=(Aim(f"{TWICE}, by the fastest runtime", "fastest_ratio", at_least=2),),
        limit=45,
        per=10,
    ),
    Row(
        "base_student",
        "base student (87 M) at 512²",
        "works_lifting:base_student",
        aims=(Aim("≥ 80 % of the best matrix product's rate", "rate_share", of="fast",
                  to="matrix product", at_least=0.8),),
        limit=75,
        rounds=2,
        memory=("fast",),
    ),
    Row("help", "trilift VERB --help", "works_machine:help_texts",
        aims=(Aim("< 1 s, each verb", "slowest", at_most=1.0),), limit=45, unit="call", rounds=3),
    Row("growth", "growth of time and memory", "growth:curves",
        aims=(Aim("linear or better", "exponent", at_most=1.1),), limit=40, rounds=0),
)  # fmt: skip
"""Of `make bench`, in the order in which they run."""

LONG = (
    Row("planes", "planes, one thread", "works_teacher:planes", limit=120, rounds=3, threads=1),
    Row("view", "another view from cached planes, one thread", "works_teacher:view", limit=240,
        rounds=3, threads=1),
    Row("image_one_thread", "whole image, one thread", "works_teacher:image", limit=300, rounds=3,
        threads=1),
    Row(
        "runtimes",
        "base student (87 M) at 512², by runtime",
        "works_lifting:base_student_runtimes",
        aims=(Aim("best runtime ≥ 2.5 × eager (AVX512-BF16)", "ratio", of="compiled, bf16",
                  to="eager", at_least=2.5),),
        limit=600,
        rounds=3,
    ),
    Row("tests", "make test", "works_machine:tests",
        aims=(Aim("≤ 6 min", "seconds", of="make test", at_most=360),), limit=900, unit="run",
        rounds=1, warm_up=False),
)  # fmt: skip
"""Of `make bench-long`, besides the inversions and the time to quality."""

GPU = (
    Row("gpu_encode", "base student (87 M) at 512², encode", "works_gpu:encode",
        aims=(Aim("≤ 4 ms at batch 1 (H200)", "fastest", at_most=0.004),)),
    Row("gpu_frames", "photograph to a new 512² view", "works_gpu:frames",
        aims=(Aim("≥ 100 frames/s (H200)", "fastest", at_most=0.01),)),
    Row("gpu_sampling", "two-camera samples, 8 at once", "works_gpu:sampling", per=8,
        aims=(Aim("≥ 5 × the baseline", "fastest_ratio", to="baseline", at_least=5),)),
    Row("gpu_image", "512² teacher image", "works_gpu:image"),
    Row("gpu_image_batch", "512² teacher images, 8 at once", "works_gpu:image_batch", per=8),
)  # fmt: skip
"""Of `make bench-gpu`; each is a function of a scale and a device."""
