"""A dry run of a teacher's training: makes and times a few steps at every resolution of the
schedule, and keeps nothing of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer

from pipeline.runs.durations import duration
from pipeline.runs.machines import Machine, counted
from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.step_timer import StepTimer
from teachers.eg3d.generator import Generator
from teachers.rendering.camera import Camera
from teachers.wysiwyg.renderer import WysiwygRenderer

from .gan import TeacherGAN
from .schedule import GANSchedule

REPEATS = 2
"""Timed steps of each kind, after one that isn't timed."""

HEADER = (
    "rays",
    "images",
    "s/step",
    "images/s",
    "data",
    "memory",
    "GPU memory",
    "takes",
    "ends after",
)

R1_WORK = 5
"""Work of R1, in passes of the discriminator: forward, its gradient, and the gradient of both."""


@dataclass(frozen=True)
class ScheduleCost:
    """What the images at one resolution take.

    Attributes:
        resolution: side of the ray grid.
        start, end: in images seen.
        seconds: of an image, of all processes together.
        batch_size: images per step, of all processes together.
        data_share: share of a step's time that is spent on its batch.
        memory_gib: largest resident memory of the process so far; None: unknown.
        gpu_gib: largest memory that torch has allocated on the GPU; None without one.
    """

    resolution: int
    start: int
    end: int
    seconds: float
    batch_size: int
    data_share: float
    memory_gib: float | None
    gpu_gib: float | None

    @property
    def total_seconds(self) -> float:
        """Of all images at this resolution."""
        return (self.end - self.start) * self.seconds


def segments(schedule: GANSchedule, changes: Sequence[int] = ()) -> list[tuple[int, int, int]]:
    """(resolution, first image, last image) of a schedule, in order; they are parted where the
    resolution grows, and after the images `changes`, too.
    """
    total = schedule.total_images
    starts = sorted({int(pair[0]) for pair in schedule.growth} | set(changes))
    starts = [start for start in starts if start < total]
    return [
        (schedule.render_resolution(start), start, end)
        for start, end in zip(starts, [*starts[1:], total], strict=True)
    ]


def step_kinds(r1_every: int, regularised_every: int) -> list[tuple[float, int]]:
    """(share, a step number) of the kinds of steps: with or without R1 and regularisation."""
    period = math.lcm(r1_every, regularised_every)
    kinds: dict[tuple[bool, bool], list[int]] = {}
    for step in range(period):
        kind = (step % r1_every == 0, step % regularised_every == 0)
        kinds.setdefault(kind, []).append(step)
    return [(len(found) / period, found[0]) for found in kinds.values()]


class ScheduleTimer(StepTimer):
    """Replaces the trainer's steps by steps of every kind in every part of the schedule, and times
    them. Stops the training when all is measured.

    Args:
        module: of the training.
    """

    def __init__(self, module: TeacherGAN) -> None:
        self.segments = segments(module.schedule, module.work_changes)
        self.kinds = step_kinds(module.settings.r1_every, module.regularised_every)
        self.plan = [
            (start, number)
            for _, start, _ in self.segments
            for _, number in self.kinds
            for _ in range(REPEATS + 1)
        ]
        super().__init__(len(self.plan), "data")
        self._gpu_gib: list[float] = []
        self._batch_size = 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The first step begins."""
        assert isinstance(module, TeacherGAN)
        self._batch_size = module.settings.batch_size * trainer.world_size
        super().on_train_start(trainer, module)

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Puts the module to the step that is next."""
        assert isinstance(module, TeacherGAN)
        module.seen, module.steps = self.plan[len(self.seconds)]

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Times the step, and notes the GPU's memory."""
        is_cuda = module.device.type == "cuda"
        self._gpu_gib.append(torch.cuda.max_memory_allocated() / 2**30 if is_cuda else 0.0)
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def costs(self) -> list[ScheduleCost]:
        """The measurements; call this after the training."""
        costs, first = [], 0
        for resolution, start, end in self.segments:
            seconds = data = 0.0
            for share, _ in self.kinds:
                timed = range(first + 1, first + 1 + REPEATS)
                seconds += share * sum(self.seconds[one] for one in timed) / REPEATS
                data += share * sum(self.of_part[one] for one in timed) / REPEATS
                first += REPEATS + 1
            costs.append(
                ScheduleCost(
                    resolution,
                    start,
                    end,
                    seconds / self._batch_size,
                    self._batch_size,
                    data / seconds,
                    peak_memory_gib(),
                    self._gpu_gib[first - 1] or None,
                )
            )
        return costs


def count_schedule(module: TeacherGAN, *, processes: int, machine: Machine) -> list[ScheduleCost]:
    """The costs on GPUs that aren't there, from the work of an image, counted on the device "meta".

    Args:
        module: of the training; is moved to "meta".
        processes: that share a step, one GPU each.
        machine: the GPU.
    """
    settings, generator = module.settings, module.generator
    batch = settings.batch_size
    module.to("meta")
    camera = Camera.orbit(torch.zeros(batch), torch.zeros(batch)).to(torch.device("meta"))
    costs = []
    for resolution, start, end in segments(module.schedule):
        z = torch.zeros(batch, module.config.z_dim, device="meta")
        shown, render = counted(lambda: _fakes(generator, module, z, camera, resolution, start))  # noqa: B023
        logits, judge = counted(lambda: module.discriminator(shown, camera.label()))  # noqa: B023
        _, backward = counted(lambda: logits.mean().backward())  # noqa: B023
        # generator: all of this; discriminator: real and fake images, forward and backward
        flops = render.flops + judge.flops + backward.flops
        flops += (6 + R1_WORK / settings.r1_every) * judge.flops
        trained = sum(one.numel() for one in module.parameters() if one.requires_grad)
        memory = 20 * trained + render.saved_bytes + 2 * judge.saved_bytes
        costs.append(
            ScheduleCost(
                resolution,
                start,
                end,
                flops / batch / processes / (1e12 * machine.tflops),
                batch * processes,
                0.0,
                None,
                memory / 2**30,
            )
        )
    return costs


def _fakes(
    generator: Generator,
    module: TeacherGAN,
    z: torch.Tensor,
    camera: Camera,
    resolution: int,
    seen: int,
) -> torch.Tensor:
    # What proposals place depends on what rays see: they are counted as two full passes.
    renderer = generator.renderer.changed(first_pass="reused")
    if isinstance(renderer, WysiwygRenderer):
        renderer.uses_proposals = False
    renderer.resolution = resolution
    ws = generator.map_latents(z, camera if module.config.label_dim else None)
    return module.view.of_rendering(renderer(generator.synthesize(ws), camera, ws), seen)


def cost_table(
    costs: Sequence[ScheduleCost], schedule: GANSchedule, hours: float | int | None = None
) -> str:
    """The costs of a training, from its first image to its last, as text.

    Args:
        costs: in order.
        schedule: of the training.
        hours: where the training is after so long is said, too; None: it isn't.
    """
    rows, since = [HEADER], 0.0
    for cost in costs:
        since += cost.total_seconds
        rows.append(
            (
                f"{cost.resolution}²",
                f"{cost.start} … {cost.end}",
                f"{cost.seconds * cost.batch_size:.3g}",
                f"{1 / cost.seconds:.3g}",
                f"{cost.data_share:.0%}",
                _gib(cost.memory_gib),
                _gib(cost.gpu_gib),
                duration(cost.total_seconds),
                duration(since),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.append(
        f"the training: {schedule.total_images} images in {duration(since)}; scores, sheets and"
        " saving are not counted"
    )
    return "\n".join(lines if hours is None else [*lines, reached(costs, schedule, hours)])


def reached(costs: Sequence[ScheduleCost], schedule: GANSchedule, hours: float | int) -> str:
    """Where a training is in its schedule after some hours, and what is left."""
    left, seen = 3600 * hours, 0
    for cost in costs:
        images = min(cost.end - cost.start, int(left / cost.seconds))
        left, seen = left - images * cost.seconds, cost.start + images
        if seen < cost.end:
            break
    whole = sum(cost.total_seconds for cost in costs)
    after = f"after {duration(3600 * hours)}"
    if seen >= schedule.total_images:
        return f"{after}: all {seen} images are seen, after {duration(whole)}"
    return (
        f"{after}: {seen} of {schedule.total_images} images, rays"
        f" {schedule.render_resolution(seen)}², learning rates ×"
        f" {schedule.learning_rate(seen):.2g}, blur {schedule.blur(seen):.2g} px,"
        f" swapped conditions {schedule.swap_probability(seen):.0%}; to the end another"
        f" {duration(max(0.0, whole - 3600 * hours))}"
    )


def _gib(size: float | None) -> str:
    return "-" if size is None else f"{size:.1f} GiB"
