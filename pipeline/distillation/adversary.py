"""The adversary of a student: its teacher's discriminator, trained on to tell the student's
pictures from the teacher's.

"Real" is what the frozen teacher renders, never a photograph (LP3D sec. 4.2: "real data in the
discriminator" failed).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.losses.adversarial import discriminator_loss, generator_loss
from pipeline.losses.gradient_penalty import r1_penalty
from teachers.eg3d.discriminator import Discriminator, RenderingInput
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering


@dataclass(frozen=True)
class AdversarySettings:
    """Constants of the discriminator's training; the defaults are EG3D's for faces, which LP3D took
    over (supp. A2).

    Attributes:
        learning_rate, betas: of Adam, before the correction for the lazy penalty.
        r1_gamma: weight of R1 (1 for faces, 5 for cats).
        r1_every: it is computed in every so many-th step, so many times as heavy.
        bfloat16: its convolutions, but for R1, in bfloat16.
    """

    learning_rate: float = 2e-3
    betas: Sequence[float] = (0.0, 0.99)
    r1_gamma: float = 1.0
    r1_every: int = 16
    bfloat16: bool = False

    def optimizer(self, discriminator: nn.Module) -> torch.optim.Adam:
        """Adam, corrected for the lazy penalty: r1_every updates do the work of r1_every + 1
        (StyleGAN2 app. B).
        """
        lazy = self.r1_every / (self.r1_every + 1)
        first, second = self.betas
        return torch.optim.Adam(
            discriminator.parameters(),
            self.learning_rate * lazy,
            (first**lazy, second**lazy),
            eps=1e-8,
        )


@dataclass(frozen=True)
class Exhibit:
    """What the discriminator is shown of one view of some identities.

    Attributes:
        real, fake: the teacher's and the student's pictures, without gradients.
        label: of the cameras that took both.
    """

    real: Float[Tensor, "batch channel height width"]
    fake: Float[Tensor, "batch channel height width"]
    label: Float[Tensor, "batch 25"]


@dataclass(frozen=True)
class Verdict:
    """The discriminator's loss on some exhibits, and what it thought.

    Attributes:
        loss: of the discriminator, with the penalty if that was asked for.
        penalty: R1 alone; None when it wasn't computed.
        real_logits, fake_logits: positive for "real".
    """

    loss: Float[Tensor, ""]
    penalty: Float[Tensor, ""] | None
    real_logits: Float[Tensor, "exhibit 1"]
    fake_logits: Float[Tensor, "exhibit 1"]


class Adversary(nn.Module):
    """A discriminator and the two losses that pull at it.

    Args:
        discriminator: the teacher's own; it is trained.
        passport: of the teacher.
        settings: how it is trained.
    """

    def __init__(
        self, *, discriminator: Discriminator, passport: Passport, settings: AdversarySettings
    ) -> None:
        super().__init__()
        self.discriminator = discriminator.requires_grad_(True)
        self.settings = settings
        self.show = RenderingInput(passport, discriminator)
        self.dtype = torch.bfloat16 if settings.bfloat16 else torch.float32

    def require_groups(self, pictures: int, *, processes: int = 1) -> None:
        """Checks that each of some processes can judge so many pictures at once, in the groups in
        which one would judge them all.

        A statistics group is every (batch / group)-th picture, and a process has every so many-th
        identity of a step: groups stay whole if each process has a multiple of them.

        Raises:
            ValueError: they cannot be divided into the discriminator's statistics groups.
        """
        group = int(self.discriminator.arguments["group"])
        group = group if processes > 1 else min(group, pictures)
        if pictures % group:
            raise ValueError(
                f"the discriminator compares pictures in groups of {group}, it would get {pictures}"
                " at once: choose batch_size, devices and trainer.accumulate so that each process"
                f" has a multiple of {group} identities at once"
            )

    def student_loss(self, rendering: Rendering, camera: Camera) -> Float[Tensor, ""]:
        """Small when the discriminator takes the student's pictures for the teacher's; leaves no
        gradients in the discriminator.
        """
        self.discriminator.requires_grad_(False)
        try:
            return generator_loss(self._judge(self.show(rendering), camera.label()))
        finally:
            self.discriminator.requires_grad_(True)

    def exhibit(self, real: Rendering, fake: Rendering, camera: Camera) -> Exhibit:
        """The same view of the same identities, by the teacher and by the student."""
        return Exhibit(self.show(real).detach(), self.show(fake).detach(), camera.label())

    def judge(self, exhibits: Sequence[Exhibit], *, penalise: bool) -> Verdict:
        """The discriminator's own loss: the mean over the exhibits; `penalise` adds R1 at the
        teacher's pictures.
        """
        real = [self._judge(exhibit.real, exhibit.label) for exhibit in exhibits]
        fake = [self._judge(exhibit.fake, exhibit.label) for exhibit in exhibits]
        loss = torch.stack(
            [discriminator_loss(r, f) for r, f in zip(real, fake, strict=True)]
        ).mean()
        penalty = None
        if penalise:
            penalty = torch.stack([self._penalty(exhibit) for exhibit in exhibits]).mean()
            loss = loss + penalty * (self.settings.r1_gamma / 2 * self.settings.r1_every)
        return Verdict(loss, penalty, torch.cat(real).detach(), torch.cat(fake).detach())

    def _penalty(self, exhibit: Exhibit) -> Tensor:
        shown = exhibit.real.clone().requires_grad_()
        return r1_penalty(self.discriminator(shown, exhibit.label), shown)

    def _judge(self, shown: Tensor, label: Tensor) -> Any:
        return self.discriminator(
            shown, label if self.discriminator.label_dim else None, self.dtype
        )
