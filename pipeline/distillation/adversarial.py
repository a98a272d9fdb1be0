"""Stage 2 of LP3D: the whole student learns, and an adversary adds the detail that pixel losses
don't ask for (sec. 4.2, supp. A2).

Encoder, decoder and super-resolution of the student are trained against the discriminator of its
teacher, which is trained, too: the teacher's renderings are its real images, the student's its
fakes, of the same identities through the same cameras.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.profiler import record_function

from pipeline.batch import DistillationBatch
from pipeline.losses.balance import Balance
from teachers.rendering.rendering import Rendering

from .adversary import Adversary, ImagePair
from .module import STATE_KEY, Distillation

ADVERSARY = "adversary"


class AdversarialDistillation(Distillation):
    """A student and its adversary in training.

    Args:
        adversary: the discriminator and its losses.
        arguments: of `Distillation`; all stages of this phase have weights of the adversarial loss.
    """

    keeps_best = False
    # A backward pass has gradients for the student or for the discriminator, never for both.
    ddp_strategy = "ddp_find_unused_parameters_true"

    def __init__(self, *, adversary: Adversary, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.adversary = adversary
        self.balance = Balance()
        self.lifter.renderer.requires_grad_(True)
        for stage in self.plan.stages:
            stage.losses.attach(adversary.discriminator, adversary.show)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """The student's, then the discriminator's."""
        return [
            *super().configure_optimizers(),
            self.adversary.settings.optimizer(self.adversary.discriminator),
        ]

    def training_step(self, batch: DistillationBatch, batch_idx: int) -> None:
        """Updates the student, part by part, against the discriminator as it is; then the
        discriminator on the same images.
        """
        stage = self.plan.at(self.step)
        assert stage.adversarial is not None
        student, discriminator = self.lightning_optimizers()
        pairs: list[list[ImagePair]] = []
        for part, gradient_sync in self.parts(batch):
            with gradient_sync:
                prediction = self.lift(part.image)
                coded = self.coded(prediction, part)
                renderings = self.render_views(coded.triplane, part, stage.views(self.step))
                with record_function("losses"):
                    loss, terms = self.compare(prediction, renderings, part, stage.losses)
                    loss, terms = loss + coded.loss, terms | coded.terms
                    adversarial, more = self.adversarial_loss(renderings, part, stage.adversarial)
                with record_function("backward"):
                    self.manual_backward((loss + adversarial) / self.accumulate)
            self.worst.update(part, prediction, renderings)
            self.log_losses(loss + adversarial, {**terms, **more}, len(part))
            pairs.append([self._pair(part, view, image) for view, image in renderings.items()])
        has_penalty = self.step % self.adversary.settings.r1_every == 0
        self.update(student)
        discriminator.optimizer.zero_grad()
        self.discriminate(pairs, has_penalty=has_penalty)
        with record_function("optimiser"):
            # Lightning's wrapper would count this update as a step.
            discriminator.optimizer.step()

    def adversarial_loss(
        self,
        renderings: Mapping[str, Rendering],
        batch: DistillationBatch,
        weights: Mapping[str, float],
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted adversarial loss of some views, and its unweighted terms by name."""
        losses = {
            view: self.adversary.student_loss(rendering, getattr(batch, view).camera)
            for view, rendering in renderings.items()
        }
        total = torch.stack([weights[view] * loss for view, loss in losses.items()]).sum()
        return total, {f"adversarial/{view}": loss for view, loss in losses.items()}

    def discriminate(self, parts: Sequence[Sequence[ImagePair]], *, has_penalty: bool) -> None:
        """Computes the discriminator's gradients on all parts of a step, and logs its loss and
        logits.
        """
        results = []
        for number, pairs in enumerate(parts, start=1):
            with self.gradient_sync(is_last=number == len(parts)):
                with record_function("discriminate"):
                    result = self.adversary.discriminate(pairs, has_penalty=has_penalty)
                with record_function("backward"):
                    self.manual_backward(result.loss / len(parts))
            results.append(result)
        real = torch.cat([result.real_logits for result in results])
        fake = torch.cat([result.fake_logits for result in results])
        values: dict[str, Tensor | float] = {
            "discriminator/loss": results[-1].loss,
            "discriminator/real_logit": real.mean(),
            "discriminator/fake_logit": fake.mean(),
            "discriminator/accuracy": self.balance.follow(real, fake, self.step),
        }
        if results[-1].penalty is not None:
            values["discriminator/r1"] = results[-1].penalty
        self.log_values(values)

    def _pair(self, batch: DistillationBatch, view: str, rendering: Rendering) -> ImagePair:
        target = getattr(batch, view)
        return self.adversary.pair(target.rendering, rendering, target.camera)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the balance of the two networks."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[STATE_KEY][ADVERSARY] = self.balance.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the balance. A state without an adversary is the end of the phase before: the
        discriminator then starts from the teacher's.
        """
        super().on_load_checkpoint(checkpoint)
        if ADVERSARY in checkpoint[STATE_KEY]:
            self.balance.load_state_dict(checkpoint[STATE_KEY][ADVERSARY])
            return
        checkpoint["state_dict"] |= {
            f"{ADVERSARY}.{name}": value for name, value in self.adversary.state_dict().items()
        }
        checkpoint["optimizer_states"].append(
            self.adversary.settings.optimizer(self.adversary.discriminator).state_dict()
        )
