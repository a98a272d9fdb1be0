"""What is scored, shown and kept of a teacher in training."""

import csv
import dataclasses
import io
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.pictures import write_png
from pipeline.runs.files import replaced_folder, write_bytes
from teachers.eg3d.teacher import EG3DTeacher, save_eg3d
from teachers.kinds import freeze, kind_of
from teachers.plain_values import read_json_file

from .gan import TeacherGAN
from .teacher_views import draw_images, teacher_sheet, view_scores
from .tuning import TuningRecord

log = logging.getLogger(__name__)

COLLAPSED = 3.0
"""The training has collapsed at this multiple of the best Fréchet distance before."""


class TeacherProgress(Callback):
    """Every `every_images` images: appends scores to scores.csv, writes a sheet of the same
    identities, and saves the averaged teacher as a folder.

    The teacher with the smallest Fréchet distance on network features is kept besides, in `best`:
    adversarial training may collapse.

    Args:
        folder: of the run.
        every_images: how often, in real images seen.
        drawing: changes of the configuration for rendering (more ray samples than in training).
        frechet: makes the scores on first use, from the training images.
        scored: number of generated images per score.
        name, licence, training_data: for the passport.
        record: of a tuning, which is scored before its first step, too; None for a teacher from
            scratch.
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
        training_data: tuple[dict[str, str], ...] = (),
        record: TuningRecord | None = None,
    ) -> None:
        self.folder, self.every_images, self.drawing, self.scored = (
            folder,
            every_images,
            drawing,
            scored,
        )
        self.name, self.licence, self.record = name, licence, record
        self.training_data = training_data
        self._make_frechet = frechet
        self._frechet: FrechetScores | None = None
        self._scored_at = -1

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Scores a tuning's checkpoint. A resumed run repeats no scores."""
        assert isinstance(module, TeacherGAN)
        if module.seen and (self.folder / "teacher").exists():
            self._scored_at = self._last_scored(module.seen)
        if self.record is not None and not module.seen:
            self._report(trainer, module)

    def _last_scored(self, seen: int) -> int:
        """Images seen by the teacher that was scored last: a run that was killed while its last one
        was scored has saved more.
        """
        path = self.folder / "teacher" / "scores.json"
        if not path.exists():
            return seen
        return int(
            read_json_file(path, dict[str, Any], "remove the folder: it is made again")["images"]
        )

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Scores when a multiple of `every_images` has been passed."""
        assert isinstance(module, TeacherGAN)
        if module.seen // self.every_images > max(self._scored_at, 0) // self.every_images:
            self._report(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Scores the last step."""
        assert isinstance(module, TeacherGAN)
        if self._scored_at != module.seen:
            self._report(trainer, module)

    def teacher(self, module: TeacherGAN, drawing: dict[str, Any]) -> EG3DTeacher:
        """The averaged generator as a teacher, its configuration changed by `drawing`."""
        config = dataclasses.replace(module.config, **drawing, **module.drawing)
        generator = kind_of(config).generator(config)
        weights = module.average.state_dict()
        generator.load_state_dict({name: weights[name] for name in generator.state_dict()})
        return freeze(
            generator.to(module.device),
            name=self.name,
            licence=self.licence,
            training_data=self.training_data,
        )

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
        best = min(earlier, default=math.inf)
        is_best = math.isfinite(scores["network"]) and scores["network"] <= best
        for name in ("teacher", "best") if is_best else ("teacher",):
            with replaced_folder(self.folder / name) as writing:
                save_eg3d(writing, teacher, module.discriminator, texts)
        if not is_best and scores["network"] > COLLAPSED * best:
            log.warning(
                "%d images: the distance to the data is %.1f times that of the best teacher, which"
                " is in %s: the training has collapsed; start a new run from there (start_from=)"
                " with a larger settings.r1_gamma or lower rates",
                module.seen,
                scores["network"] / best,
                self.folder / "best",
            )

    def _scores(
        self, module: TeacherGAN, teacher: EG3DTeacher, as_trained: EG3DTeacher
    ) -> dict[str, float]:
        """Fréchet distances of images rendered as in training, and the consistency of views."""
        if self._frechet is None:
            self._frechet = self._make_frechet()
        distances = self._frechet(draw_images(as_trained, module.photographs.cameras, self.scored))
        return {
            **distances,
            **view_scores(teacher),
            **{f"{name}_floor": value for name, value in self._frechet.floor.items()},
        }


def _distances(path: Path) -> list[float]:
    """The distances of all teachers that were scored before."""
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
