"""Stage 1 of LP3D: the student learns to answer one picture with the teacher's planes (sec. 4.2, supp. A2).

Nothing is stored: people come from the sampler, by number. Stage 2, which adds an adversary, is another module.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.lifter import Lifter
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.sampling.sampler import batch_numbers
from pipeline.sampling.source import PeopleSource
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .optimizer import StudentOptimizer
from .progress import Stopwatch

STATE_KEY = "distillation"


class Distillation(LightningModule):
    """A student in training. The teacher is held by the sampler, which is no module: it is neither trained nor saved.

    Args:
        lifter: encoder (trained) and renderer (frozen in this stage).
        sampler: draws the people, or reads them from shards.
        losses: what is compared.
        optimizer: how the encoder learns.
        batch_size: people per step, of all processes together.
        reference_every: the view that the student has seen is rendered, too, in every so many-th step (LP3D: 10); the
            novel view in every step.
        bfloat16: run the encoder's forward pass in bfloat16; rendering and losses stay in single precision.
        log_every: how often the speed is measured and logged.
    """

    def __init__(
        self,
        *,
        lifter: Lifter,
        sampler: PeopleSource,
        losses: WeightedSum,
        optimizer: StudentOptimizer,
        batch_size: int,
        reference_every: int = 10,
        bfloat16: bool = False,
        log_every: int = 10,
    ) -> None:
        super().__init__()
        self.lifter = lifter
        self.sampler = sampler
        self.losses = losses
        self.optimizer_settings = optimizer
        self.batch_size = batch_size
        self.reference_every = reference_every
        self.in_bfloat16 = bfloat16
        self.log_every = log_every
        self.step = 0
        self.stopwatch = Stopwatch()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over the encoder."""
        return self.optimizer_settings.build(self.lifter.encoder)

    def on_fit_start(self) -> None:
        """The teacher follows the student to its device."""
        self.sampler.to(self.device)
        self.stopwatch.device = self.device

    def on_train_start(self) -> None:
        """The clock starts when everything is built."""
        self.stopwatch.reset()

    def training_step(self, batch: Any, batch_idx: int) -> Float[Tensor, ""]:
        """The people of this step's numbers: lift their pictures, compare planes and views."""
        numbers = batch_numbers(self.step, batch_size=self.batch_size, rank=self.global_rank, world_size=self.trainer.world_size)
        with self.stopwatch.part("teacher"):
            people = self.sampler(numbers)
        prediction = self.lift(people.image)
        loss, parts = self.compare(prediction, people, with_reference=self.step % self.reference_every == 0)
        self.log("train/loss", loss, batch_size=len(people))
        self.log_dict({f"train/{name}": value for name, value in parts.items()}, batch_size=len(people))
        return loss

    def lift(self, image: Float[Tensor, "batch 3 height width"]) -> Triplane:
        """The student's planes, in single precision whatever the encoder computed in."""
        with torch.autocast(image.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            triplane = self.lifter.lift(image)
        return Triplane(triplane.planes.float(), triplane.axes, triplane.box_size)

    def compare(
        self, prediction: Triplane, people: DistillationBatch, *, with_reference: bool
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss, and its unweighted parts (those of the novel view) by name."""
        parts = self.losses.planes(prediction, people.triplane)
        if not self.losses.needs_views:
            return self.losses.total(parts), parts
        parts |= self.losses.view(self.look(prediction, people, "novel"), people.novel.rendering)
        loss = self.losses.total(parts)
        if with_reference:
            loss = loss + self.losses.total(self.losses.view(self.look(prediction, people, "reference"), people.reference.rendering))
        return loss, parts

    def look(self, triplane: Triplane, people: DistillationBatch, view: str, sampler: PeopleSource | None = None) -> Rendering:
        """What planes look like through the cameras of a view, with the ray jitter that the teacher's picture had.

        Args:
            sampler: that drew the people, where it isn't the training's.
        """
        sampler = sampler or self.sampler
        renderer = sampler.rendering[view].apply(self.lifter.renderer)
        return renderer(triplane, getattr(people, view).camera, None, sampler.jitter(people.samples, view, renderer))

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """One update, at the rates of this step; then it counts as done."""
        self.optimizer_settings.set_rates(optimizer, self.step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.step += 1
        self.lifter.step = self.step

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Logs how fast it went."""
        if self.step % self.log_every == 0:
            speed = {
                "speed/samples_per_second": self.log_every * self.batch_size / self.stopwatch.elapsed(),
                "speed/teacher_share": self.stopwatch.share("teacher"),
            }
            self.log_dict(speed)
            self.stopwatch.reset()

    @property
    def samples_seen(self) -> int:
        """Sample numbers below this one have been trained on."""
        return self.step * self.batch_size

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Our own counters, and whose people they count."""
        passport = self.lifter.passport.to_json()
        checkpoint[STATE_KEY] = {"step": self.step, "samples_seen": self.samples_seen, "passport": passport}

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Goes on with the next sample number, if the teacher is still the same."""
        passport = Passport.from_dict(json.loads(checkpoint[STATE_KEY]["passport"]))
        passport.require_same(self.lifter.passport, mine="the run to be continued", others="the configuration")
        self.step = self.lifter.step = int(checkpoint[STATE_KEY]["step"])
        if checkpoint[STATE_KEY]["samples_seen"] != self.samples_seen:
            raise ValueError(
                f"the training state has seen {checkpoint[STATE_KEY]['samples_seen']} samples in {self.step} steps, with batches of "
                f"{self.batch_size} that would be {self.samples_seen}: continue with the former batch_size"
            )
