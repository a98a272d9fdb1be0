"""Speed of a distillation step with `experiment=laptop`, and what it brings to make the next
identities meanwhile.

`python tests/benchmarks/bench_distill.py [ROUNDS]`: the ways take turns, a few steps each, so that
whatever else the machine does is shared by all of them: compare the ways, not runs. Medians over
the rounds.
"""

import logging
import os
import platform
import statistics
import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning import Callback, Trainer

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.distillation import build_lifter, build_module, build_plan
from pipeline.build.sampler import build_sampler
from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.module import Distillation
from pipeline.distillation.speed import Speed

STEPS = 10
"""Of a round: `laptop` renders the reference view, too, in one of them."""


@dataclass
class Way:
    """How a step is computed.

    Attributes:
        name: for the table.
        overlap: whether identities are made ahead.
        threads: of torch, for the student, and for the teacher beside it.
        wall, processor, share: of a step, by round: seconds by the clock, of processor time, and
            the teacher's share, which is the time that the student waits for it.
    """

    name: str
    overlap: bool
    threads: int
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)

    def report(self, first: "Way", identities: int) -> str:
        """A line of the table."""
        wall, ratio = (
            statistics.median(self.wall),
            statistics.median(a / b for a, b in zip(first.wall, self.wall, strict=True)),
        )
        return (
            f"{self.name:<30} {1 / wall:6.2f} steps/s  {identities / wall:6.1f} identities/s "
            f" x{ratio:4.2f}  {statistics.median(self.processor):6.2f} processor seconds a step,"
            f" waiting for the teacher {statistics.median(self.share):4.0%}"
        )


class Watch(Callback):
    """Times the steps of a fit but the first, for which nothing is made ahead."""

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The time so far."""
        if batch_idx == 0:
            self.start = time.perf_counter(), time.process_time()
            trainer.datamodule.stopwatch.reset()
        self.wall, self.processor = (
            time.perf_counter() - self.start[0],
            time.process_time() - self.start[1],
        )
        self.share = trainer.datamodule.stopwatch.share("teacher")


def go(way: Way, module: Distillation) -> None:
    """A round of one way."""
    torch.set_num_threads(way.threads)
    watch = Watch()
    trainer = Trainer(
        accelerator="cpu", max_steps=STEPS + 1, max_epochs=-1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
        callbacks=[Speed(every_steps=None), watch],
    )  # fmt: skip
    module.step = 0
    data = SampledBatches(module.source, batch_size=module.batch_size, overlap=way.overlap)
    trainer.fit(module, datamodule=data)
    way.wall.append(watch.wall / STEPS)
    way.processor.append(watch.processor / STEPS)
    way.share.append(watch.share)


def main() -> None:
    """Prints the machine, then a line a way; ratios are to the first."""
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore", module="lightning")
    cores, rounds = len(os.sched_getaffinity(0)), int(sys.argv[1]) if len(sys.argv) > 1 else 2
    ways = [Way("alternating, 1 thread", False, 1), Way("overlapping, 1 thread each", True, 1)]
    if cores > 1:
        ways += [
            Way(f"alternating, {cores} threads", False, cores),
            Way(f"overlapping, {cores} threads each", True, cores),
        ]
    config = compose("distill", "experiment=laptop", "trainer.log_every=1000000")
    teacher = instantiate(config.teacher)
    sampler = build_sampler(to_plain(config), teacher)
    module = build_module(config, build_plan(config), build_lifter(config, teacher), sampler, None)
    for _ in range(rounds):
        for way in ways:
            go(way, module)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{platform.machine()}, {cores} cores, load {load}, torch {torch.__version__}; {rounds}"
        f" rounds of {STEPS} steps"
    )
    for way in ways:
        print(way.report(ways[0], config.batch_size))


if __name__ == "__main__":
    main()
