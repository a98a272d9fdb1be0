"""Validation on identities that training never draws, and the student with the best score."""

import logging
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.evaluation.metrics.image_metrics import psnr, ssim
from pipeline.losses.depth import DepthLoss
from pipeline.runs.state_keeper import save_again
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.source import Sampler
from teachers.rendering.rendering import Rendering

from .ema import ExponentialAverage
from .module import Distillation

log = logging.getLogger(__name__)

KEEP_BYTES = 256 * 1024**2
"""Held-out batches are drawn once and kept if their planes together are smaller than this."""

SCORES = ("loss", "psnr_reference", "psnr_novel", "ssim_novel", "depth_error_weighted")
"""The scores, in the order in which processes add them up."""


class HeldOutScores(Callback):
    """Scores the (averaged) student on the same held-out identities every `every_steps` steps and
    at the end; keeps the best student.

    Students are only compared within a stage of the plan, since each stage has its own losses.
    Against an adversary the latest student is kept: the score doesn't measure what the adversary
    improves.

    Logged are `validation/loss` (the training loss with both views), `validation/psnr_reference`,
    `validation/psnr_novel` and, of the novel view, `validation/ssim_novel` and
    `validation/depth_error_weighted`; docs/metrics.md defines them.

    Args:
        sampler: draws the identities; its seed isn't the run's, so that runs with other seeds are
            scored on the same identities.
        student_path: where the best student so far is written.
        every_steps: how often.
        samples: number of identities; 0: nothing is scored, no student is kept.
        batch_size: identities at once; doesn't change the scores.
    """

    def __init__(
        self,
        *,
        sampler: Sampler,
        student_path: Path,
        every_steps: int = 500,
        samples: int = 32,
        batch_size: int = 8,
    ) -> None:
        self.sampler = sampler
        self.student_path = student_path
        self.every_steps = every_steps
        self.samples = samples
        self.batch_size = batch_size
        self.best = math.inf
        self.last = math.inf
        self.all: dict[str, float] = {}
        self._scored_stage = ""
        self._is_scored = True
        self._kept: dict[int, DistillationBatch] = {}

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Scores every `every_steps` steps and after the last one: before that step is saved, so
        that a run that is killed between the two scores again.
        """
        assert isinstance(module, Distillation)
        self._is_scored = False
        if module.step % self.every_steps == 0 or module.step >= trainer.max_steps > 0:
            self.score(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Scores the last step of a run that its time limit has ended: otherwise a short run would
        have no student.
        """
        assert isinstance(module, Distillation)
        if not self._is_scored:
            self.score(trainer, module)
            save_again(trainer)

    def state_dict(self) -> dict[str, Any]:
        """The best score so far, and the last."""
        return {"best": self.best, "last": self.last, "scored_stage": self._scored_stage}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.best, self.last, self._scored_stage = (
            state_dict["best"],
            state_dict["last"],
            state_dict["scored_stage"],
        )

    def score(self, trainer: Trainer, module: Distillation) -> None:
        """Scores the student, logs the scores, and keeps the student if it is the best."""
        self._is_scored = True
        if not self.samples:
            return
        self.sampler.to(module.device)
        with averaged(trainer, module):
            scores = self._scores(trainer, module)
            self.last = scores["validation/loss"]
            is_first_of_stage, self._scored_stage = (
                self._scored_stage != module.stage.name,
                module.stage.name,
            )
            is_better = self.last < self.best or math.isnan(self.best)
            if is_better or is_first_of_stage or not module.keeps_best:
                self.best = self.last
                if trainer.is_global_zero:
                    module.lifter.save(self.student_path)
        self.all = {**scores, "validation/best": self.best}
        trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in scores.items()}
        )
        for logger in trainer.loggers:
            logger.log_metrics(scores, step=module.step)
        log.info(
            "step %d: %s",
            module.step,
            ", ".join(
                f"{name.removeprefix('validation/')} {value:.4f}" for name, value in scores.items()
            ),
        )

    @torch.no_grad()
    def _scores(self, trainer: Trainer, module: Distillation) -> dict[str, float]:
        numbers = [
            n
            for n in range(FIRST_HELD_OUT, FIRST_HELD_OUT + self.samples)
            if n % trainer.world_size == trainer.global_rank
        ]
        # A process without samples adds zeros: every process has to take part in the sum.
        sums = dict.fromkeys(SCORES, torch.zeros((), device=module.device))
        for start in range(0, len(numbers), self.batch_size):
            batch = self._batch(numbers[start : start + self.batch_size])
            for name, value in measure(module, batch, self.sampler).items():
                sums[name] = sums[name] + value * len(batch)
        together = torch.stack(
            [*sums.values(), torch.tensor(float(len(numbers)), device=module.device)]
        )
        if trainer.world_size > 1:
            together = trainer.strategy.reduce(together, reduce_op="sum")  # type: ignore[assignment]
        return {
            f"validation/{name}": float(value / together[-1])
            for name, value in zip(SCORES, together, strict=False)
        }

    def _batch(self, numbers: list[int]) -> DistillationBatch:
        """The same samples every time: kept if they are few and small."""
        if numbers[0] in self._kept:
            return self._kept[numbers[0]]
        batch = self.sampler(numbers)
        if batch.triplane.planes.nbytes * self.samples / len(batch) < KEEP_BYTES:
            self._kept[numbers[0]] = batch
        return batch


def averaged(trainer: Trainer, module: LightningModule) -> Any:
    """A context in which the module has its averaged weights, if the run keeps any."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    averages = [callback for callback in callbacks if isinstance(callback, ExponentialAverage)]
    return averages[0].applied(module) if averages else nullcontext()


def measure(module: Distillation, batch: DistillationBatch, sampler: Sampler) -> dict[str, Tensor]:
    """The `SCORES` of a batch that a sampler has drawn."""
    prediction = module.lift(batch.image)
    renderings = {
        view: module.render_view(prediction, batch, view, sampler)
        for view in ("reference", "novel")
    }
    planes = module.losses.planes(prediction, batch.triplane)
    views = [
        module.losses.view(rendering, getattr(batch, view).rendering)
        for view, rendering in renderings.items()
    ]
    loss = torch.stack([module.losses.total(terms) for terms in (planes, *views) if terms]).sum()
    return {
        "loss": loss,
        "psnr_reference": _psnr(renderings["reference"], batch.reference.rendering),
        "psnr_novel": _psnr(renderings["novel"], batch.novel.rendering),
        "ssim_novel": _ssim(renderings["novel"], batch.novel.rendering),
        "depth_error_weighted": DepthLoss()(renderings["novel"], batch.novel.rendering),
    }


def _psnr(prediction: Rendering, target: Rendering) -> Tensor:
    return psnr(prediction.image.clamp(-1, 1), target.image.clamp(-1, 1)).mean()


def _ssim(prediction: Rendering, target: Rendering) -> Tensor:
    return ssim(prediction.image.clamp(-1, 1), target.image.clamp(-1, 1)).mean()
