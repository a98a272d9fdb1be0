"""Sheets that show a student in training: the same identities every time, and whom it answered
worst since the last sheet.
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

COLUMNS = ("input", "teacher", "student", "error", "depth", "its depth")
SMALLEST_CELL = 96
"""Pixels: the side that pictures of a sheet are enlarged to (by whole factors)."""


class Previews(Callback):
    """Writes `step-<n>.png`, one row a held-out identity: input · teacher · student · error ·
    depths · the student's other views.

    The last row is the training's worst sample since the last sheet (see `WorstSample`), with its
    number: `replay=<number>` shows it again.

    Args:
        sampler: draws the identities.
        folder: where the sheets go.
        every_steps: how often; the first sheet comes before the first step.
        identities: how many.
        views_deg: yaws of the student's other views, degrees.
        error_gain: how much the error picture is brightened.
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
        """What the untrained student answers."""
        assert isinstance(module, Distillation)
        if module.step == 0:
            with module.stopwatch.paused():
                self.show(trainer, module)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A sheet when it is time, and after the last step."""
        assert isinstance(module, Distillation)
        if module.step % self.every_steps == 0 or module.step == trainer.max_steps:
            with module.stopwatch.paused():
                self.show(trainer, module)

    def show(self, trainer: Trainer, module: Distillation) -> None:
        """Writes the sheet of this step; the first process does."""
        if not self.identities:
            return
        worst = module.worst.of_all(trainer, module.device)
        module.worst.forget()
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
                identity, difference = worst
                rows += self._rows(module, identity, module.sampler)
                labels.append(f"worst: {int(identity.samples[0])}\n{difference:.3f}")
                log.info(
                    "step %d: the worst sample since the last sheet is %d (%.3f)",
                    module.step,
                    int(identity.samples[0]),
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
        module.stopwatch.reset()

    def _rows(
        self, module: Distillation, identities: DistillationBatch, sampler: BatchSource
    ) -> list[list[Tensor]]:
        planes = module.lift(identities.image)
        student, teacher = (
            module.look(planes, identities, "novel", sampler),
            identities.novel.rendering,
        )
        error = (student.image - teacher.image).abs() * self.error_gain - 1
        near, far = depth_range(module.lifter.passport)
        depths = [depth_picture(rendering.depth, near, far) for rendering in (teacher, student)]
        cameras = [
            preview_camera(module.lifter.passport, yaw).to(identities.image)
            for yaw in self.views_deg
        ]
        views = [
            module.lifter.render(planes, camera.expand(len(identities))).image for camera in cameras
        ]
        columns = [
            identities.image,
            teacher.image,
            student.image,
            error.clamp(-1, 1),
            *depths,
            *views,
        ]
        return [[enlarged(column[row]) for column in columns] for row in range(len(identities))]


def enlarged(picture: Tensor) -> Tensor:
    """Small pictures with larger pixels."""
    times = max(1, SMALLEST_CELL // picture.shape[-1])
    return picture.repeat_interleave(times, -1).repeat_interleave(times, -2)


def preview_camera(passport: Passport, yaw_deg: float) -> Camera:
    """A camera of the teacher's own distance and focal length at eye height."""
    yaw = torch.deg2rad(torch.tensor([float(yaw_deg)]))
    return Camera.orbit(
        yaw,
        torch.zeros(1),
        radius=passport.camera_radius,
        pivot=passport.camera_pivot,
        focal=passport.focal,
    )


def depth_range(passport: Passport) -> tuple[float, float]:
    """The depths that pictures of a teacher's identities span."""
    if passport.near is not None and passport.far is not None:
        return passport.near, passport.far
    return (
        passport.camera_radius - passport.box_size / 2,
        passport.camera_radius + passport.box_size / 2,
    )
