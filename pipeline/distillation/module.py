"""Stage 1 of LP3D: the student learns to predict the teacher's planes from one image (sec. 4.2,
supp. A2).

`AdversarialDistillation` continues from here with an adversary.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor
from torch.profiler import record_function

from pipeline.batch import DistillationBatch
from pipeline.lifter import Lifter
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.sampling.source import BatchSource
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .execution import Execution
from .optimizer import StudentOptimizer
from .plan import Stage, TrainingPlan
from .plane_codec import Coded, PlaneCodec
from .worst_sample import WorstSample

STATE_KEY = "distillation"


class Distillation(LightningModule):
    """A student in training. The teacher belongs to the source, which is no module: it is neither
    trained nor saved.

    Optimisation is manual in every stage, and only the student's updates are counted: Lightning's
    `global_step` is `step`.

    Args:
        lifter: encoder (trained) and renderer (frozen in this phase).
        source: of the batches (see `SampledBatches`); says how their views were rendered.
        plan: the losses of every step.
        optimizer: Adam and its learning rates.
        batch_size: identities per step, of all processes together.
        accumulate: number of parts of a step's batch that are lifted one after the other: less
            memory, the same gradient.
        gradient_clip: largest norm of the student's gradient; None: it isn't limited.
        execution: precision, memory layout and compilation of the encoder.
        codec: through which the planes go before views are rendered; None: views are rendered from
            the planes as they are.
    """

    keeps_best = True
    """Whether the student with the best score is kept. An adversary and a codec improve what the
    score doesn't measure: then the last student is kept.
    """

    ddp_strategy = "ddp"
    """Lightning's strategy for several processes."""

    def __init__(
        self,
        *,
        lifter: Lifter,
        source: BatchSource,
        plan: TrainingPlan,
        optimizer: StudentOptimizer,
        batch_size: int,
        accumulate: int = 1,
        gradient_clip: float | int | None = None,
        execution: Execution | None = None,
        codec: PlaneCodec | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lifter = lifter
        self.source = source
        self.plan = plan
        self.optimizer_settings = optimizer
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.gradient_clip = float("inf") if gradient_clip is None else float(gradient_clip)
        self.execution = execution or Execution()
        self.execution.prepare(lifter.encoder)
        self.codec = codec
        if codec is not None:
            self.keeps_best = False
            lifter.renderer.requires_grad_(codec.trains_decoder)
            if codec.trains_decoder:  # a renderer may have parts that no view needs
                self.ddp_strategy = "ddp_find_unused_parameters_true"
        self.step = 0
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
        """Moves the losses to the student's device."""
        for stage in self.plan.stages:
            stage.losses.to(self.device)
        if self.codec is not None:
            self.codec.renderer.to(self.device)

    def on_train_start(self) -> None:
        """Gives restored moments the layout of their parameters: files have none, and a fused Adam
        pairs the memory of both.
        """
        for optimizer in self.trainer.optimizers:
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    is_moment = torch.is_tensor(value) and value.shape == parameter.shape
                    if is_moment and value.stride() != parameter.stride():
                        state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def training_step(self, batch: DistillationBatch, batch_idx: int) -> None:
        """Lifts the images, compares planes and views with the teacher's, updates the student."""
        stage = self.plan.at(self.step)
        views = stage.views(self.step) if stage.losses.needs_views else ()
        for part, gradient_sync in self.parts(batch):
            with gradient_sync:
                prediction = self.lift(part.image)
                coded = self.coded(prediction, part)
                renderings = self.render_views(coded.triplane, part, views)
                with record_function("losses"):
                    loss, terms = self.compare(prediction, renderings, part, stage.losses)
                    loss, terms = loss + coded.loss, terms | coded.terms
                with record_function("backward"):
                    self.manual_backward(loss / self.accumulate)
            self.worst.update(part, prediction, renderings)
            self.log_losses(loss, terms, len(part))
        self.update(self.lightning_optimizers()[0])

    def parts(
        self, batch: DistillationBatch
    ) -> Iterator[tuple[DistillationBatch, AbstractContextManager[None]]]:
        """A step's batch part by part, each with the context of its backward pass."""
        parts = batch.split(self.accumulate)
        for number, part in enumerate(parts, start=1):
            yield part, self.gradient_sync(is_last=number == len(parts))

    def gradient_sync(self, *, is_last: bool) -> AbstractContextManager[None]:
        """A context for the backward pass of one part of a step: several processes add up their
        gradients with the last part's.
        """
        strategy = self.trainer.strategy
        if is_last or not isinstance(strategy, ParallelStrategy):
            return nullcontext()
        return strategy.block_backward_sync()

    def lift(self, image: Float[Tensor, "batch 3 height width"]) -> Triplane:
        """The student's planes, in float32 whatever the encoder's precision."""
        with record_function("encode"):
            return self.execution.lift(self.lifter, image)

    def coded(self, prediction: Triplane, batch: DistillationBatch) -> Coded:
        """What a receiver has of the planes, from which views are rendered."""
        if self.codec is None:
            return Coded(prediction)
        with record_function("codec"):
            return self.codec(prediction, batch, lift=self.lift, source=self.source)

    def render_views(
        self, prediction: Triplane, batch: DistillationBatch, views: tuple[str, ...]
    ) -> dict[str, Rendering]:
        """The student's planes, rendered by the cameras of some views."""
        return {view: self.render_view(prediction, batch, view) for view in views}

    def render_view(
        self,
        triplane: Triplane,
        batch: DistillationBatch,
        view: str,
        source: BatchSource | None = None,
    ) -> Rendering:
        """Planes, rendered by the cameras of a view with the ray jitter of the teacher's rendering.

        Args:
            source: of the batch, if it isn't the training's.
        """
        source = source or self.source
        renderer = source.rendering[view].apply(self.lifter.renderer)
        with record_function("render"):
            return renderer(
                triplane,
                getattr(batch, view).camera,
                None,
                source.jitter(batch.samples, view, renderer),
            )

    def compare(
        self,
        prediction: Triplane,
        renderings: Mapping[str, Rendering],
        batch: DistillationBatch,
        losses: WeightedSum,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss, and its unweighted terms by name: those of views are called `name/view`."""
        terms = losses.planes(prediction, batch.triplane)
        loss = losses.total(terms) if terms else prediction.planes.new_zeros(())
        for view, rendering in renderings.items():
            of_view = losses.view(rendering, getattr(batch, view).rendering)
            loss = loss + losses.total(of_view) if of_view else loss
            terms |= {f"{name}/{view}": value for name, value in of_view.items()}
        return loss, terms

    def log_losses(
        self, loss: Float[Tensor, ""], terms: Mapping[str, Float[Tensor, ""]], samples: int
    ) -> None:
        """Logs a loss and its terms under `train/`."""
        self.log("train/loss", loss.detach(), batch_size=samples)
        self.log_values({f"train/{name}": value for name, value in terms.items()})

    def log_values(self, values: Mapping[str, Tensor | float]) -> None:
        """Logs values together with the latest of those that not every step has: a row of the log
        would otherwise miss them.
        """
        self._logged |= {
            name: value.detach() if isinstance(value, Tensor) else value
            for name, value in values.items()
        }
        self.log_dict(self._logged, batch_size=self.batch_size)

    def update(self, optimizer: LightningOptimizer) -> None:
        """Updates the student from its gradients at the rates of this step, and counts the step."""
        with record_function("optimiser"):
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

    @property
    def samples_seen(self) -> int:
        """Sample numbers below this one have been trained on."""
        return self.step * self.batch_size

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the counters, the stage, and the teacher's passport."""
        checkpoint[STATE_KEY] = {
            "step": self.step,
            "samples_seen": self.samples_seen,
            "stage": self.stage.name,
            "passport": self.lifter.passport.to_json(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continues with the next sample number.

        Raises:
            ValueError: the state belongs to another teacher or batch size.
        """
        passport = Passport.from_json(checkpoint[STATE_KEY]["passport"], "the training state")
        passport.require_same(
            self.lifter.passport, mine="the run to be continued", others="the configuration"
        )
        # Its licence may include that of another student, which the run started from.
        self.lifter.passport = passport
        self.step = self.lifter.step = int(checkpoint[STATE_KEY]["step"])
        if checkpoint[STATE_KEY]["samples_seen"] != self.samples_seen:
            raise ValueError(
                f"the training state has seen {checkpoint[STATE_KEY]['samples_seen']} samples in"
                f" {self.step} steps, with batches of {self.batch_size} that would be"
                f" {self.samples_seen}: continue with the former batch_size"
            )
