"""What is shown and kept while a teacher is trained: the pace, scores, sheets of identities, the
teacher itself; and when to stop.
"""

import csv
import dataclasses
import io
import json
import logging
import math
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer
from torch import Tensor

from pipeline.evaluation.metrics.consistency import multi_view_consistency
from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.pictures import depth_picture, normal_picture, tile, write_png
from pipeline.runs.files import replaced_folder, write_bytes
from teachers.eg3d.generator import Generator
from teachers.eg3d.teacher import EG3DTeacher, eg3d_passport, save_eg3d, weights_sha256
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

from .gan import TeacherGAN
from .tuning import TuningRecord

log = logging.getLogger(__name__)


class SliceTimer(Timer):
    """A time limit for this process alone: a resumed run gets the whole of it again.

    Args:
        max_time: how long.
    """

    def __init__(self, max_time: timedelta) -> None:
        super().__init__(max_time, interval="step")

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the time used is not carried over."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to take over."""


class StopWhenSeen(Callback):
    """Ends training when the schedule's pictures have been seen."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """A run that is complete makes no further step."""
        assert isinstance(module, TeacherGAN)
        trainer.should_stop = module.seen >= module.schedule.total_images

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Every process counts the same."""
        assert isinstance(module, TeacherGAN)
        if module.seen >= module.schedule.total_images:
            trainer.should_stop = True


class Pace(Callback):
    """Tells the log now and then how far the training is.

    Args:
        seconds: how often.
    """

    def __init__(self, *, seconds: float = 60.0) -> None:
        self.seconds = float(seconds)
        self._told_at, self._told_seen = 0.0, 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The clock starts here."""
        assert isinstance(module, TeacherGAN)
        self._told_at, self._told_seen = time.monotonic(), module.seen

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A line when it is time."""
        assert isinstance(module, TeacherGAN)
        passed = time.monotonic() - self._told_at
        if not trainer.is_global_zero or passed < self.seconds:
            return
        logits = ", ".join(
            f"{name} {float(value):.2f}"
            for name, value in trainer.callback_metrics.items()
            if name.endswith("logit")
        )
        pace = (module.seen - self._told_seen) / passed
        log.info(
            "%d of %d pictures, %.1f/s, %s", module.seen, module.schedule.total_images, pace, logits
        )
        self._told_at, self._told_seen = time.monotonic(), module.seen


COLLAPSED = 3.0
"""A distance so many times the best before is no fluctuation."""


class TeacherProgress(Callback):
    """Every so many pictures: scores to scores.csv, a sheet of the same identities, and the
    averaged teacher as a folder.

    The teacher with the least Fréchet distance on network features so far is kept beside the last
        one, in `best`: an adversarial
    training may collapse.

    Args:
        folder: of the run.
        every_images: how often, in pictures.
        drawing: changes of the configuration when drawing (more ray samples than in training).
        frechet: made on first use, from the training pictures.
        scored: generated pictures per score.
        name, licence: for the passport.
        record: of a tuning: scored before the first step, too, and told in the teacher's folder;
            None for a teacher from scratch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_images: int,
        drawing: dict[str, Any],
        frechet: Callable[[], FrechetScores],
        scored: int,
        name: str,
        licence: str,
        record: TuningRecord | None = None,
    ) -> None:
        self.folder, self.every_images, self.drawing, self.scored = (
            folder,
            every_images,
            drawing,
            scored,
        )
        self.name, self.licence, self.record = name, licence, record
        self._make_frechet = frechet
        self._frechet: FrechetScores | None = None
        self._scored_at = -1

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """A resumed run doesn't score what has been scored."""
        assert isinstance(module, TeacherGAN)
        if module.seen and (self.folder / "teacher").exists():
            self._scored_at = module.seen
        if self.record is not None and not module.seen:
            self._report(trainer, module)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Scores when a multiple of `every_images` has been passed."""
        assert isinstance(module, TeacherGAN)
        if module.seen // self.every_images > max(self._scored_at, 0) // self.every_images:
            self._report(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The last scores of the slice."""
        assert isinstance(module, TeacherGAN)
        if self._scored_at != module.seen:
            self._report(trainer, module)

    def teacher(self, module: TeacherGAN, drawing: dict[str, Any]) -> EG3DTeacher:
        """The averaged generator as a teacher, its configuration changed by `drawing`."""
        config = dataclasses.replace(module.config, **drawing)
        generator = Generator(config)
        generator.load_state_dict(module.average.state_dict())
        passport = eg3d_passport(
            config, name=self.name, source_hash=weights_sha256(generator), licence=self.licence
        )
        return EG3DTeacher(generator.to(module.device), passport)

    def _report(self, trainer: Trainer, module: TeacherGAN) -> None:
        self._scored_at = module.seen
        if not trainer.is_global_zero:
            return
        if self.record is not None and self.record.is_unscored:
            checkpoint = self.record.checkpoint().to(module.device)
            self.record.score_checkpoint(self._scores(module, checkpoint, checkpoint))
        teacher = self.teacher(module, self.drawing)
        scores = {
            "images": float(module.seen),
            **self._scores(module, teacher, self.teacher(module, {})),
        }
        earlier = _distances(self.folder / "scores.csv")
        _append(self.folder / "scores.csv", scores)
        log.info(
            "%d images: %s",
            module.seen,
            ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "images"),
        )
        for logger in trainer.loggers:
            logger.log_metrics(scores, step=module.steps)
        write_png(
            self.folder / "sheets" / f"{module.seen // 1000:05d}k.png", teacher_sheet(teacher)
        )
        texts = {"scores.json": json.dumps(scores, indent=2)}
        texts |= {} if self.record is None else self.record.texts(teacher.passport, scores)
        is_best = scores["network"] <= min(earlier, default=math.inf)
        for name in ("teacher", "best") if is_best else ("teacher",):
            with replaced_folder(self.folder / name) as writing:
                save_eg3d(writing, teacher, module.discriminator, texts)
        if not is_best and scores["network"] > COLLAPSED * min(earlier):
            log.warning(
                "%d images: the distance to the data is %.1f times that of the best teacher, which is in %s: the training has collapsed; "
                "start a new run from there (start_from=), with a larger settings.r1_gamma or lower rates",
                module.seen, scores["network"] / min(earlier), self.folder / "best",
            )  # fmt: skip

    def _scores(
        self, module: TeacherGAN, teacher: EG3DTeacher, as_trained: EG3DTeacher
    ) -> dict[str, float]:
        """Fréchet distances of pictures drawn as in training, and what views of an identity agree
        on.
        """
        if self._frechet is None:
            self._frechet = self._make_frechet()
        distances = self._frechet(
            draw_pictures(as_trained, module.photographs.cameras, self.scored)
        )
        return {
            **distances,
            **view_scores(teacher),
            **{f"{name}_floor": value for name, value in self._frechet.floor.items()},
        }


@torch.no_grad()
def draw_pictures(
    teacher: EG3DTeacher, cameras: Camera, count: int, *, seed: int = 3
) -> Float[Tensor, "picture 3 height width"]:
    """Pictures of `count` identities at cameras of the data, clamped to [-1, 1]."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(count, teacher.z_dim, generator=random)
    chosen = cameras.to(torch.device("cpu"))[
        torch.randint(len(cameras), (count,), generator=random)
    ]
    return torch.cat(
        [_pictures(teacher, z[i : i + 4], chosen[i : i + 4]) for i in range(0, count, 4)]
    )


@torch.no_grad()
def view_scores(teacher: EG3DTeacher, *, identities: int = 32, seed: int = 11) -> dict[str, float]:
    """Consistency of identities between yaw -0.15 and 0.15."""
    triplane, ws = _identities(teacher, identities, seed=seed)
    views = [_orbit(teacher, identities, yaw, 0.0).to(triplane.planes) for yaw in (-0.15, 0.15)]
    first, second = (teacher.render(triplane, camera, ws=ws) for camera in views)
    agreement = multi_view_consistency(first, views[0], second, views[1])
    return {
        "view_error": agreement.error,
        "view_still": agreement.still,
        "view_agreeing": agreement.agreeing,
    }


@torch.no_grad()
def teacher_sheet(
    teacher: EG3DTeacher, *, identities: int = 8, seed: int = 5, truncation: float = 1.0
) -> Float[Tensor, "3 height width"]:
    """Identities by rows: yaw -0.6 … 0.6, then frontal depth and normals."""
    triplane, ws = _identities(teacher, identities, seed=seed, truncation=truncation)
    columns: list[Tensor] = []
    frontal = None
    for yaw in (-0.6, -0.3, 0.0, 0.3, 0.6):
        camera = _orbit(teacher, identities, yaw, 0.05).to(triplane.planes)
        rendering = teacher.render(triplane, camera, ws=ws)
        columns.append(rendering.image)
        frontal = (rendering, camera) if yaw == 0 else frontal
    assert frontal is not None
    rendering, camera = frontal
    distance = teacher.passport.camera_radius
    surfaces = (
        depth_picture(rendering.depth, distance - 0.3, distance + 0.15),
        normal_picture(rendering.depth, camera),
    )
    columns += [
        torch.where(rendering.opacity > 0.5, surface, torch.ones_like(surface))
        for surface in surfaces
    ]
    side = teacher.passport.image_resolution
    columns = [torch.nn.functional.interpolate(column, size=(side, side)) for column in columns]
    return tile([[column[row].cpu() for column in columns] for row in range(identities)])


def _orbit(teacher: EG3DTeacher, count: int, yaw: float, pitch: float) -> Camera:
    passport = teacher.passport
    return Camera.orbit(
        torch.full((count,), yaw),
        torch.full((count,), pitch),
        radius=passport.camera_radius,
        pivot=passport.camera_pivot,
        focal=passport.focal,
    )


def _identities(
    teacher: EG3DTeacher, count: int, *, seed: int, truncation: float = 1.0
) -> tuple[Triplane, Tensor]:
    z = torch.randn(count, teacher.z_dim, generator=torch.Generator().manual_seed(seed))
    ws = teacher.map_latents(z.to(teacher.mean_latent()), truncation=truncation)
    return teacher.synthesize(ws), ws


def _pictures(teacher: EG3DTeacher, z: Tensor, camera: Camera) -> Tensor:
    ws = teacher.map_latents(z.to(teacher.mean_latent()))
    return teacher.render(teacher.synthesize(ws), camera.to(ws), ws=ws).image.clamp(-1, 1).cpu()


def _distances(path: Path) -> list[float]:
    """Of all teachers that were scored before."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [float(row["network"]) for row in csv.DictReader(file)]


def _append(path: Path, row: dict[str, float]) -> None:
    added = io.StringIO(newline="")
    writer = csv.DictWriter(added, list(row))
    if not path.exists():
        writer.writeheader()
    writer.writerow(row)
    before = path.read_bytes() if path.exists() else b""
    write_bytes(path, before + added.getvalue().encode())
