"""Rows on training steps, and on the puppets that a teacher is trained with."""

import dataclasses
import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning import Callback, Trainer

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.distillation import build_lifter, build_plan
from pipeline.build.distillation import build_module as build_distillation
from pipeline.build.pretraining import build_module as build_pretraining
from pipeline.build.sampler import build_sampler
from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.module import Distillation
from pipeline.distillation.speed import Speed
from pipeline.pretraining.data_module import DrawnImages
from pipeline.pretraining.discriminator_view import DiscriminatorView
from pipeline.pretraining.gan import TeacherGAN
from pipeline.pretraining.training_images import TrainingImages
from pipeline.worlds.dataset import PoseDistribution
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera
from tests.benchmarks.measuring import Contender, Timing, Work
from tests.benchmarks.works_teacher import KERNELS, both_kernels, chosen

DISTILLATION_PARTS = {
    "lift": "encode",
    "render_views": "render",
    "compare": "losses",
    "manual_backward": "backward",
    "update": "optimiser",
}
"""Methods of `Distillation` by stage of the step."""

PRETRAINING_PARTS = {
    "_render_fakes": "identities and their images",
    "_discriminate": "discriminator, forward and back",
    "_generate": "generator, back",
    "_finish_step": "running average",
}
"""Methods of `TeacherGAN`; what is left over are the optimisers and the data."""


class Watch(Callback):
    """Times the steps of a fit but the first, for which nothing is made ahead."""

    def __init__(self, spent: dict[str, float]) -> None:
        self.spent = spent

    def on_train_batch_end(
        self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The time so far."""
        if batch_idx == 0:
            self.spent.clear()
            self.started = time.perf_counter()
            if isinstance(trainer.datamodule, SampledBatches):
                trainer.datamodule.stopwatch.reset()
        self.seconds = time.perf_counter() - self.started
        if isinstance(trainer.datamodule, SampledBatches):
            self.teacher = trainer.datamodule.stopwatch.share("teacher") * self.seconds


def laptop(scale: str) -> dict[str, Contender]:
    """Steps of the last stage of `experiment=laptop`, over the period of its reference views."""
    quiet()
    settings = [] if scale == "full" else ["batch_size=1", "calibration_samples=1"]
    config = compose("distill", "experiment=laptop", "trainer.log_every=1000000", *settings)
    teacher = instantiate(config.teacher)
    sampler = build_sampler(to_plain(config), teacher)
    plan = build_plan(config)
    period = max(1, min(4, config.plan.stages[plan.stages[-1].name].reference_every))
    steps = period if scale == "full" else 1

    def contender(kernels: str, overlap: bool = False) -> Contender:
        module = build_distillation(config, plan, build_lifter(config, teacher), sampler, None)
        return Contender(distillation_steps(module, kernels, steps, overlap=overlap))

    alternating = {kernels: contender(kernels) for kernels in KERNELS}
    return {**alternating, "fast, overlapping": contender("fast", overlap=True)}


def distillation_steps(module: Distillation, kernels: str, steps: int, *, overlap: bool) -> Work:
    """A work of some steps; its times are of one.

    Args:
        overlap: the next identities are made meanwhile; "teacher" is the time that a step waits.
    """
    spent = timed_parts(module, DISTILLATION_PARTS)

    def work() -> Timing:
        module.step = first = module.plan.stages[-1].start
        watch = Watch(spent)
        # One batch more than there are steps: the last step, too, draws the next batch meanwhile.
        data = SampledBatches(
            module.source,
            batch_size=module.batch_size,
            overlap=overlap,
            steps=range(first, first + steps + 2),
        )
        with chosen(kernels):
            trainer(steps + 1, [Speed(every_steps=None), watch]).fit(module, datamodule=data)
        parts = {"teacher": watch.teacher, **spent}
        parts["the rest"] = watch.seconds - sum(parts.values())
        return Timing(watch.seconds / steps, {name: one / steps for name, one in parts.items()})

    return work


def pretrain(scale: str) -> dict[str, Contender]:
    """Steps of `trilift pretrain` at 64² rays, one process with one thread, on images drawn at
    random; none of them with R1, one of four with the density's variation.
    """
    quiet()
    config = compose("pretrain", "trainer.devices=1", "settings.bfloat16=false")
    if scale == "tiny":
        config.settings.batch_size = 4
    images = noise_images(64, config.teacher.image_resolution)
    steps = 4 if scale == "full" else 1

    def contender(kernels: str) -> Contender:
        module = build_pretraining(config, images)
        module.schedule = dataclasses.replace(module.schedule, growth=((0, 64),))
        module.view = DiscriminatorView(module.config, module.schedule)
        return Contender(
            pretraining_steps(module, kernels, timed_parts(module, PRETRAINING_PARTS), steps)
        )

    return {kernels: contender(kernels) for kernels in KERNELS}


def pretraining_steps(
    module: TeacherGAN, kernels: str, spent: dict[str, float], steps: int
) -> Work:
    """A work of some steps; its times are of one."""

    def work() -> Timing:
        module.steps = 1
        watch = Watch(spent)
        data = DrawnImages(module.photographs, batch_size=module.settings.batch_size, seed=0)
        with chosen(kernels):
            # Both optimisers' updates count.
            trainer(2 * (steps + 1), [watch]).fit(module, datamodule=data)
        parts = dict(spent)
        parts["the rest"] = watch.seconds - sum(parts.values())
        return Timing(
            watch.seconds / steps,
            {name: one / steps for name, one in parts.items()},
            {"images_per_second": module.settings.batch_size * steps / watch.seconds},
        )

    return work


def noise_images(count: int, side: int) -> TrainingImages:
    """Images of nothing, with mattes: the speed does not depend on what is seen."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 4, side, side), generator=random, dtype=torch.uint8)
    return TrainingImages(
        images, Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count))
    )


def puppets64(scale: str) -> dict[str, Contender]:
    """Eight puppets at 64², 2×2 samples a pixel."""
    return puppets(8 if scale == "full" else 1, 64 if scale == "full" else 16)


def puppets128(scale: str) -> dict[str, Contender]:
    """Four puppets at 128², 2×2 samples a pixel."""
    return puppets(4 if scale == "full" else 1, 128 if scale == "full" else 16)


def puppets(count: int, side: int) -> dict[str, Contender]:
    """Views of the first puppets of a split."""
    world, seeds = PuppetWorld(), WorldSeeds.of(Split.VALIDATE, range(count))
    cameras = PoseDistribution().cameras(seeds, (0.0, 0.0, 0.0))
    return both_kernels(lambda: world.render(seeds, cameras, side))


def timed_parts(module: Any, parts: dict[str, str]) -> dict[str, float]:
    """Replaces methods by ones that add their time to the returned dictionary."""
    spent: dict[str, float] = {}
    for method, part in parts.items():
        setattr(module, method, timed(getattr(module, method), spent, part))
    return spent


def timed(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The function, its time added to a part; within another part, to that part only."""

    def measured(*arguments: Any, **named: Any) -> Any:
        start, before = time.perf_counter(), sum(spent.values())
        try:
            return function(*arguments, **named)
        finally:
            inside = sum(spent.values()) - before
            spent[part] = spent.get(part, 0.0) + time.perf_counter() - start - inside

    return measured


def trainer(max_steps: int, callbacks: list[Callback]) -> Trainer:
    """A trainer that writes nothing."""
    return Trainer(
        accelerator="cpu", max_steps=max_steps, max_epochs=-1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
        callbacks=callbacks,
    )  # fmt: skip


def quiet() -> None:
    """Lightning says nothing."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
