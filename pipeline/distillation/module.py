"""Stage 1 of LP3D: the student learns to answer one picture with the teacher's planes (sec. 4.2,
supp. A2).

Nothing is stored: identities come from the sampler, by number. `AdversarialDistillation` goes on
from here with an adversary.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.lifter import Lifter
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.runs.progress import Stopwatch
from pipeline.sampling.sample_numbers import batch_numbers
from pipeline.sampling.source import BatchSource
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .execution import Execution
from .optimizer import StudentOptimizer
from .plan import Stage, TrainingPlan
from .prefetch import Overlap, Prefetcher
from .worst_sample import WorstSample

STATE_KEY = "distillation"


class Distillation(LightningModule):
    """A student in training. The teacher is held by the sampler, which is no module: it is neither
    trained nor saved.

    Optimisation is manual in every stage, and only the student's updates are counted: Lightning's
    `global_step` is `step`.

    Args:
        lifter: encoder (trained) and renderer (frozen in this phase).
        sampler: draws the identities, or reads them from shards.
        plan: what is compared in which step.
        optimizer: how the student learns.
        batch_size: identities per step, of all processes together.
        accumulate: a step's identities are lifted in so many parts, one after the other: less
            memory, the same gradient.
        gradient_clip: largest norm of the student's gradient; None: it isn't limited.
        execution: how the encoder is computed.
        overlap: whether the next identities are made meanwhile (see `Prefetcher`).
        log_every: how often the speed is measured and logged.
    """

    keeps_best = True
    """Whether the student with the best score is kept (an adversary improves what the score doesn't
    see: then, the last).
    """

    ddp_strategy = "ddp"
    """How Lightning lets several processes train together."""

    def __init__(
        self,
        *,
        lifter: Lifter,
        sampler: BatchSource,
        plan: TrainingPlan,
        optimizer: StudentOptimizer,
        batch_size: int,
        accumulate: int = 1,
        gradient_clip: float | int | None = None,
        execution: Execution | None = None,
        overlap: Overlap = "auto",
        log_every: int = 10,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lifter = lifter
        self.sampler = sampler
        self.prefetcher = Prefetcher(sampler, overlap)
        self.plan = plan
        self.optimizer_settings = optimizer
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.gradient_clip = float("inf") if gradient_clip is None else float(gradient_clip)
        self.execution = execution or Execution()
        self.execution.prepare(lifter.encoder)
        self.log_every = log_every
        self.step = 0
        self.stopwatch = Stopwatch()
        self.worst = WorstSample()
        self._logged: dict[str, Tensor | float] = {}

    @property
    def stage(self) -> Stage:
        """The stage of the last update."""
        return self.plan.at(max(0, self.step - 1))

    @property
    def losses(self) -> WeightedSum:
        """The losses of the last update."""
        return self.stage.losses

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The student's."""
        return [self.optimizer_settings.build(self.lifter)]

    def on_fit_start(self) -> None:
        """The teacher and the losses follow the student to its device."""
        self.sampler.to(self.device)
        self.prefetcher.start(self.device)
        for stage in self.plan.stages:
            stage.losses.to(self.device)
        self.stopwatch.device = self.device

    def on_train_start(self) -> None:
        """The clock starts when everything is built."""
        self.stopwatch.reset()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """The identities of this step's numbers: lift their pictures, compare planes and views."""
        stage = self.plan.at(self.step)
        for identities, synchronised in self.identities():
            with synchronised:
                prediction = self.lift(identities.image)
                seen = self.looks(
                    prediction,
                    identities,
                    stage.views(self.step) if stage.losses.needs_views else (),
                )
                loss, parts = self.compare(prediction, seen, identities, stage.losses)
                self.manual_backward(loss / self.accumulate)
            self.worst.follow(identities, prediction, seen)
            self.log_losses(loss, parts, len(identities))
        self.update(self.lightning_optimizers()[0])
        self.settle()

    def identities(self) -> Iterator[tuple[DistillationBatch, AbstractContextManager[None]]]:
        """The identities of this process in this step, part by part, each with the context of its
        backward pass.
        """
        parts = self.numbers(self.step)
        is_last_step = self.step + 1 >= self.trainer.max_steps > 0
        following = [*parts[1:], None if is_last_step else self.numbers(self.step + 1)[0]]
        for numbers, then in zip(parts, following, strict=True):
            with self.stopwatch.part("teacher"):
                identities = self.prefetcher.take(numbers, then=then)
            yield identities, self.synchronised(is_last=numbers is parts[-1])

    def numbers(self, step: int) -> list[list[int]]:
        """The sample numbers of this process in a step, part by part."""
        numbers = batch_numbers(
            step,
            batch_size=self.batch_size,
            rank=self.global_rank,
            world_size=self.trainer.world_size,
        )
        if len(numbers) % self.accumulate:
            raise ValueError(
                f"{len(numbers)} identities of a process cannot be lifted in {self.accumulate}"
                " equal parts: change accumulate"
            )
        size = len(numbers) // self.accumulate
        return [numbers[start : start + size] for start in range(0, len(numbers), size)]

    def settle(self) -> None:
        """The end of a step: nothing is being made ahead any more, so that callbacks may use the
        teacher and save.
        """
        with self.stopwatch.part("teacher"):
            self.prefetcher.settle()

    def synchronised(self, *, is_last: bool) -> AbstractContextManager[None]:
        """A context for the backward pass of one part of a step: several processes add up their
        gradients with the last part's.
        """
        strategy = self.trainer.strategy
        if is_last or not isinstance(strategy, ParallelStrategy):
            return nullcontext()
        return strategy.block_backward_sync()

    def lift(self, image: Float[Tensor, "batch 3 height width"]) -> Triplane:
        """The student's planes, in single precision whatever the encoder computed in."""
        return self.execution.lift(self.lifter, image)

    def looks(
        self, prediction: Triplane, identities: DistillationBatch, views: tuple[str, ...]
    ) -> dict[str, Rendering]:
        """What the student's planes look like through the cameras of some views."""
        return {view: self.look(prediction, identities, view) for view in views}

    def look(
        self,
        triplane: Triplane,
        identities: DistillationBatch,
        view: str,
        sampler: BatchSource | None = None,
    ) -> Rendering:
        """What planes look like through the cameras of a view, with the ray jitter that the
        teacher's picture had.

        Args:
            sampler: that drew the identities, where it isn't the training's.
        """
        sampler = sampler or self.sampler
        renderer = sampler.rendering[view].apply(self.lifter.renderer)
        return renderer(
            triplane,
            getattr(identities, view).camera,
            None,
            sampler.jitter(identities.samples, view, renderer),
        )

    def compare(
        self,
        prediction: Triplane,
        seen: Mapping[str, Rendering],
        identities: DistillationBatch,
        losses: WeightedSum,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss, and its unweighted parts by name: those of planes as they are called, those of
        views as `name/view`.
        """
        parts = losses.planes(prediction, identities.triplane)
        loss = losses.total(parts) if parts else prediction.planes.new_zeros(())
        for view, rendering in seen.items():
            of_view = losses.view(rendering, getattr(identities, view).rendering)
            loss = loss + losses.total(of_view) if of_view else loss
            parts |= {f"{name}/{view}": value for name, value in of_view.items()}
        return loss, parts

    def log_losses(
        self, loss: Float[Tensor, ""], parts: Mapping[str, Float[Tensor, ""]], identities: int
    ) -> None:
        """Under `train/`."""
        self.log("train/loss", loss.detach(), batch_size=identities)
        self.log_values({f"train/{name}": value for name, value in parts.items()})

    def log_values(self, values: Mapping[str, Tensor | float]) -> None:
        """Logs values with the latest of those that don't come up in every step, which the log
        would miss.
        """
        self._logged |= {
            name: value.detach() if isinstance(value, Tensor) else value
            for name, value in values.items()
        }
        self.log_dict(self._logged, batch_size=self.batch_size)

    def update(self, optimizer: LightningOptimizer) -> None:
        """One update of the student at the rates of this step, from the gradients that are there;
        then the step counts as done.
        """
        norm = torch.nn.utils.clip_grad_norm_(self.lifter.parameters(), self.gradient_clip)
        self.log_values({"train/gradient_norm": norm})
        self.optimizer_settings.set_rates(optimizer.optimizer, self.step)
        optimizer.step()
        optimizer.zero_grad()
        self.step += 1
        self.lifter.step = self.step
        if self.plan.at(self.step) is not self.stage:
            self._logged.clear()

    def lightning_optimizers(self) -> list[LightningOptimizer]:
        """As `configure_optimizers` lists them."""
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]  # type: ignore[list-item]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Logs how fast it went."""
        if self.step % self.log_every == 0:
            speed = {
                "speed/samples_per_second": (
                    self.log_every * self.batch_size / self.stopwatch.elapsed()
                ),
                "speed/teacher_share": self.stopwatch.share("teacher"),
            }
            self.log_dict(speed)
            self.stopwatch.reset()

    @property
    def samples_seen(self) -> int:
        """Sample numbers below this one have been trained on."""
        return self.step * self.batch_size

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Our own counters, the place in the plan, and whose identities they count."""
        passport = self.lifter.passport.to_json()
        checkpoint[STATE_KEY] = {
            "step": self.step,
            "samples_seen": self.samples_seen,
            "stage": self.stage.name,
            "passport": passport,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on with the next sample number, if the teacher is still the same."""
        passport = Passport.from_dict(json.loads(checkpoint[STATE_KEY]["passport"]))
        passport.require_same(
            self.lifter.passport, mine="the run to be continued", others="the configuration"
        )
        self.lifter.passport = (
            passport  # its licence may tell of another student that the run started from
        )
        self.step = self.lifter.step = int(checkpoint[STATE_KEY]["step"])
        if checkpoint[STATE_KEY]["samples_seen"] != self.samples_seen:
            raise ValueError(
                f"the training state has seen {checkpoint[STATE_KEY]['samples_seen']} samples in"
                f" {self.step} steps, with batches of {self.batch_size} that would be"
                f" {self.samples_seen}: continue with the former batch_size"
            )
