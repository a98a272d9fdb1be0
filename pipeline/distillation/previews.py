"""Sheets of a student in training: the same held-out identities every time, and the worst sample
since the last sheet.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.pictures import depth_picture, tile, write_png
from pipeline.runs.loggers import log_picture
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.source import BatchSource, Sampler
from teachers.passport import Passport
from teachers.rendering.camera import Camera

from .held_out import averaged
from .module import Distillation

log = logging.getLogger(__name__)

COLUMNS = ("input", "teacher", "student", "error", "teacher depth", "student depth")
SMALLEST_CELL = 96
"""Pixels: smaller images of a sheet are enlarged to about this side."""


class Previews(Callback):
    """Writes `step-<n>.png` with one row for each held-out identity: input · teacher · student ·
    error · both depths · further views by the student.

    The last row is the training's worst sample since the last sheet (see `WorstSample`) with its
    number: `replay=<number>` shows it again.

    Args:
        sampler: draws the identities.
        folder: of the sheets.
        every_steps: how often; the first sheet is written before the first step.
        identities: their number; 0: no sheets.
        views_deg: yaws of the further views, degrees.
        error_gain: factor on the difference in the error image.
    """

    def __init__(
        self,
        *,
        sampler: Sampler,
        folder: Path,
        every_steps: int = 500,
        identities: int = 4,
        views_deg: tuple[float, ...] | list[float] = (-40.0, -20.0, 0.0, 20.0, 40.0),
        error_gain: float | int = 2.0,
    ) -> None:
        self.sampler = sampler
        self.folder = folder
        self.every_steps = every_steps
        self.identities = identities
        self.views_deg = list(views_deg)
        self.error_gain = error_gain
        self._drawn: DistillationBatch | None = None

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Shows the untrained student."""
        assert isinstance(module, Distillation)
        if module.step == 0:
            self.show(trainer, module)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes a sheet every `every_steps` steps and after the last one."""
        assert isinstance(module, Distillation)
        if module.step % self.every_steps == 0 or module.step == trainer.max_steps:
            self.show(trainer, module)

    def show(self, trainer: Trainer, module: Distillation) -> None:
        """Writes the sheet of this step, in the first process."""
        if not self.identities:
            return
        worst = module.worst.of_all(trainer, module.device)
        module.worst.reset()
        if not trainer.is_global_zero:
            return
        if self._drawn is None:
            self._drawn = self.sampler.to(module.device)(
                range(FIRST_HELD_OUT, FIRST_HELD_OUT + self.identities)
            )
        labels = [f"held out {row}" for row in range(self.identities)]
        with averaged(trainer, module), torch.no_grad():
            rows = self._rows(module, self._drawn, self.sampler)
            if worst is not None:
                sample, difference = worst
                rows += self._rows(module, sample, module.source)
                labels.append(f"worst: {int(sample.samples[0])}\n{difference:.3f}")
                log.info(
                    "step %d: the worst sample since the last sheet is %d (%.3f)",
                    module.step,
                    int(sample.samples[0]),
                    difference,
                )
        sheet = tile(
            rows,
            row_labels=labels,
            column_labels=[*COLUMNS, *(f"{yaw:+.0f}°" for yaw in self.views_deg)],
        )
        path = self.folder / f"step-{module.step:07d}.png"
        write_png(path, sheet)
        for logger in trainer.loggers:
            log_picture(logger, "preview", path, step=module.step)

    def _rows(
        self, module: Distillation, batch: DistillationBatch, source: BatchSource
    ) -> list[list[Tensor]]:
        planes = module.lift(batch.image)
        student, teacher = (
            module.render_view(planes, batch, "novel", source),
            batch.novel.rendering,
        )
        error = (student.image - teacher.image).abs() * self.error_gain - 1
        near, far = depth_range(module.lifter.passport)
        depths = [depth_picture(rendering.depth, near, far) for rendering in (teacher, student)]
        cameras = [
            preview_camera(module.lifter.passport, yaw).to(batch.image) for yaw in self.views_deg
        ]
        views = [
            module.lifter.render(planes, camera.expand(len(batch))).image for camera in cameras
        ]
        columns = [
            batch.image,
            teacher.image,
            student.image,
            error.clamp(-1, 1),
            *depths,
            *views,
        ]
        return [[enlarged(column[row]) for column in columns] for row in range(len(batch))]


def enlarged(picture: Tensor) -> Tensor:
    """Enlarges small images by whole factors."""
    times = max(1, SMALLEST_CELL // picture.shape[-1])
    return picture.repeat_interleave(times, -1).repeat_interleave(times, -2)


def preview_camera(passport: Passport, yaw_deg: float) -> Camera:
    """A training camera of the teacher at pitch 0."""
    return passport.orbit(torch.deg2rad(torch.tensor([float(yaw_deg)])))


def depth_range(passport: Passport) -> tuple[float, float]:
    """The smallest and largest depth of a teacher's renderings, world units."""
    if passport.near is not None and passport.far is not None:
        return passport.near, passport.far
    return (
        passport.camera_radius - passport.box_size / 2,
        passport.camera_radius + passport.box_size / 2,
    )
