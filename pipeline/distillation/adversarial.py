"""Stage 2 of LP3D: everything learns, and an adversary asks for detail that no difference of pixels
does (sec. 4.2, supp. A2).

Encoder, decoder and super-resolution of the student are trained against the discriminator of its
teacher, which learns, too: the teacher's renderings are its real pictures, the student's its fakes,
the same identities through the same cameras.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.losses.balance import Balance
from teachers.rendering.rendering import Rendering

from .adversary import Adversary, Exhibit
from .module import STATE_KEY, Distillation

ADVERSARY = "adversary"


class AdversarialDistillation(Distillation):
    """A student and its adversary in training.

    A step: the student learns from the discriminator as it is; then the discriminator learns from
        the same pictures.

    Args:
        adversary: the discriminator and its losses.
        arguments: see `Distillation`; all stages of this phase have weights of the adversarial
            loss.
    """

    keeps_best = False
    # a backward pass concerns the student or the discriminator
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

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """The student's update, part by part; then the discriminator's, on the pictures that came
        up.
        """
        stage = self.plan.at(self.step)
        assert stage.adversarial is not None
        student, discriminator = self.lightning_optimizers()
        parts_shown: list[list[Exhibit]] = []
        for identities, synchronised in self.identities():
            with synchronised:
                prediction = self.lift(identities.image)
                seen = self.looks(prediction, identities, stage.views(self.step))
                loss, parts = self.compare(prediction, seen, identities, stage.losses)
                persuasion, more = self.persuade(seen, identities, stage.adversarial)
                self.manual_backward((loss + persuasion) / self.accumulate)
            self.worst.follow(identities, prediction, seen)
            self.log_losses(loss + persuasion, {**parts, **more}, len(identities))
            parts_shown.append(
                [self._exhibit(identities, view, rendering) for view, rendering in seen.items()]
            )
        penalise = self.step % self.adversary.settings.r1_every == 0
        self.update(student)
        discriminator.optimizer.zero_grad()
        self.judge(parts_shown, penalise=penalise)
        # not through Lightning's wrapper, which would count this update as a step
        discriminator.optimizer.step()
        self.settle()

    def persuade(
        self,
        seen: Mapping[str, Rendering],
        identities: DistillationBatch,
        weights: Mapping[str, float],
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted adversarial loss of some views, and its unweighted parts by name."""
        losses = {
            view: self.adversary.student_loss(rendering, getattr(identities, view).camera)
            for view, rendering in seen.items()
        }
        total = torch.stack([weights[view] * loss for view, loss in losses.items()]).sum()
        return total, {f"adversarial/{view}": loss for view, loss in losses.items()}

    def judge(self, parts: Sequence[Sequence[Exhibit]], *, penalise: bool) -> None:
        """Leaves the discriminator's gradients on all parts of a step; logs what it thinks."""
        verdicts = []
        for number, exhibits in enumerate(parts):
            with self.synchronised(is_last=number + 1 == len(parts)):
                verdict = self.adversary.judge(exhibits, penalise=penalise)
                self.manual_backward(verdict.loss / len(parts))
            verdicts.append(verdict)
        real, fake = (
            torch.cat([v.real_logits for v in verdicts]),
            torch.cat([v.fake_logits for v in verdicts]),
        )
        self.log_values(
            {
                "discriminator/loss": verdicts[-1].loss,
                "discriminator/real_logit": real.mean(),
                "discriminator/fake_logit": fake.mean(),
                "discriminator/accuracy": self.balance.follow(real, fake, self.step),
                **(
                    {}
                    if verdicts[-1].penalty is None
                    else {"discriminator/r1": verdicts[-1].penalty}
                ),
            }
        )

    def _exhibit(self, identities: DistillationBatch, view: str, rendering: Rendering) -> Exhibit:
        target = getattr(identities, view)
        return self.adversary.exhibit(target.rendering, rendering, target.camera)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The balance besides."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[STATE_KEY][ADVERSARY] = self.balance.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A state that knows no adversary yet is the end of the phase before: the discriminator
        starts as it came.
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
