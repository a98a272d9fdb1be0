"""The adversary of a student: its teacher's discriminator, trained further to distinguish the
student's renderings from the teacher's.

"Real" are the frozen teacher's renderings, never photographs (LP3D sec. 4.2; photographs made its
scores worse, supp. A1 and Table A2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.losses.adversarial import discriminator_loss, generator_loss
from pipeline.losses.gradient_penalty import r1_penalty
from teachers.eg3d.discriminator import Discriminator, RenderingInput, discriminator_input
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
        r1_every: R1 is computed in every r1_every-th step, with r1_every times the weight.
        bfloat16: the discriminator's convolutions, except for R1, in bfloat16.
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
class ImagePair:
    """The discriminator's inputs for one view of a batch.

    Attributes:
        real, fake: made from the teacher's and the student's renderings, without gradients.
        label: of the cameras of both.
        real_parts: image, raw image and opacity of which `real` is made (`RenderingInput.parts`).
    """

    real: Float[Tensor, "batch channel height width"]
    fake: Float[Tensor, "batch channel height width"]
    label: Float[Tensor, "batch 25"]
    real_parts: tuple[Tensor, Tensor | None, Tensor | None]


@dataclass(frozen=True)
class Discrimination:
    """The discriminator's loss on some pairs, and its logits.

    Attributes:
        loss: of the discriminator, including the weighted penalty if it was computed.
        penalty: R1, unweighted; None if it wasn't computed.
        real_logits, fake_logits: positive for "real".
    """

    loss: Float[Tensor, ""]
    penalty: Float[Tensor, ""] | None
    real_logits: Float[Tensor, "image 1"]
    fake_logits: Float[Tensor, "image 1"]


class Adversary(nn.Module):
    """A discriminator with the losses of both sides.

    Args:
        discriminator: the teacher's own; it is trained.
        passport: of the teacher.
        settings: of the discriminator's training.
    """

    def __init__(
        self, *, discriminator: Discriminator, passport: Passport, settings: AdversarySettings
    ) -> None:
        super().__init__()
        self.discriminator = discriminator.requires_grad_(True)
        self.settings = settings
        self.show = RenderingInput(passport, discriminator)
        self.dtype = torch.bfloat16 if settings.bfloat16 else torch.float32

    def require_groups(self, images: int, *, processes: int = 1) -> None:
        """Checks that several processes have the minibatch-statistics groups that one would have.

        A group consists of every (batch / group)-th image, and a process has every processes-th
        identity of a step: groups stay whole if each process has a multiple of the group's size.

        Args:
            images: that a process passes through the discriminator at once.
            processes: that share a step.

        Raises:
            ValueError: the images cannot be divided into whole groups.
        """
        group = int(self.discriminator.arguments["group"])
        group = group if processes > 1 else min(group, images)
        if images % group:
            raise ValueError(
                f"the discriminator compares images in groups of {group}, it would get {images}"
                " at once: choose batch_size, devices and trainer.accumulate so that each process"
                f" has a multiple of {group} identities at once"
            )

    def student_loss(self, rendering: Rendering, camera: Camera) -> Float[Tensor, ""]:
        """The generator's side of the adversarial loss, for the student's renderings; leaves no
        gradients in the discriminator.
        """
        self.discriminator.requires_grad_(False)
        try:
            return generator_loss(self._logits(self.show(rendering), camera.label()))
        finally:
            self.discriminator.requires_grad_(True)

    def pair(self, real: Rendering, fake: Rendering, camera: Camera) -> ImagePair:
        """The teacher's and the student's rendering of the same identities by the same cameras."""
        parts = self.show.parts(real)
        return ImagePair(
            real=discriminator_input(*parts).detach(),
            fake=self.show(fake).detach(),
            label=camera.label(),
            real_parts=parts,
        )

    def discriminate(self, pairs: Sequence[ImagePair], *, has_penalty: bool) -> Discrimination:
        """The discriminator's side of the adversarial loss, the mean over the pairs; `has_penalty`
        adds R1 at the teacher's images.
        """
        real = [self._logits(pair.real, pair.label) for pair in pairs]
        fake = [self._logits(pair.fake, pair.label) for pair in pairs]
        loss = torch.stack(
            [discriminator_loss(r, f) for r, f in zip(real, fake, strict=True)]
        ).mean()
        penalty = None
        if has_penalty:
            penalty = torch.stack([self._penalty(pair) for pair in pairs]).mean()
            loss = loss + penalty * (self.settings.r1_gamma / 2 * self.settings.r1_every)
        return Discrimination(loss, penalty, torch.cat(real).detach(), torch.cat(fake).detach())

    def _penalty(self, pair: ImagePair) -> Tensor:
        """R1; of dual discrimination the sum over both images, the raw one at its own size (EG3D:
        at the enlarged one the penalty would be a few times smaller).
        """
        image, raw, opacity = pair.real_parts
        if raw is None:
            shown = pair.real.clone().requires_grad_()
            return r1_penalty(self.discriminator(shown, pair.label), shown)
        image, raw = (part.detach().clone().requires_grad_() for part in (image, raw))
        logits = self.discriminator(discriminator_input(image, raw, opacity), pair.label)
        return r1_penalty(logits, image) + r1_penalty(logits, raw)

    def _logits(self, shown: Tensor, label: Tensor) -> Any:
        return self.discriminator(
            shown, label if self.discriminator.label_dim else None, self.dtype
        )
