"""What a photograph looks like to a network: LPIPS where its files are, otherwise the teacher's own
discriminator.

Both compare activations as LPIPS does (Zhang et al. 2018, eq. 1): as unit vectors at each position,
so that their scale is the same whatever the network. Neither trains it.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.losses.discriminator_features import Activations
from pipeline.losses.frozen import Frozen
from pipeline.losses.perceptual import NETWORKS, PerceptualLoss
from teachers.eg3d.discriminator import RenderingInput
from teachers.passport import Passport
from teachers.rendering.rendering import Rendering
from teachers.stylegan.discriminator import Discriminator

LARGEST = 256
"""Pictures are shrunk to this before LPIPS sees them, as in StyleGAN2's and PTI's projections."""


class PerceptualTerm(nn.Module, ABC):
    """A distance between a rendering and a photograph.

    Attributes:
        name: what looks, for reports.
        is_lpips: whether published thresholds (PTI's) apply to it.
    """

    name: str = "none"
    is_lpips: bool = False

    @abstractmethod
    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """0 for equal pictures; gradients are for the prediction."""


class LPIPSTerm(PerceptualTerm):
    """LPIPS of the final pictures.

    Args:
        loss: with its weights.
        network: which one it looks through.
    """

    is_lpips = True

    def __init__(self, loss: PerceptualLoss, network: str) -> None:
        super().__init__()
        self.loss = loss
        self.name = f"LPIPS ({network})"

    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """See `PerceptualTerm`."""
        return self.loss.compare(_shrunk(prediction.image), _shrunk(target))


class DiscriminatorTerm(PerceptualTerm):
    """Activations of a teacher's discriminator: mean squared difference of their directions,
    averaged over the blocks.

    The discriminator sees what it always sees. What a photograph doesn't have is put in: its raw
    picture is itself, made as small as a raw rendering, and its matte is the prediction's.

    Args:
        discriminator: it is frozen.
        passport: of its teacher.

    Raises:
        ValueError: it reads other channels than the teacher's pictures have.
    """

    def __init__(self, discriminator: Discriminator, passport: Passport) -> None:
        super().__init__()
        self.name = "features of the teacher's discriminator (no file of LPIPS was found)"
        self.network = Frozen(Activations(discriminator))
        self.show = RenderingInput(passport, discriminator)

    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """See `PerceptualTerm`."""
        with torch.no_grad():
            raw = F.interpolate(
                target,
                prediction.image_raw.shape[-2:],
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )
            photograph = Rendering(
                target, raw, prediction.feature_image, prediction.depth, prediction.opacity.detach()
            )
            expected = self.network(self.show(photograph))
        matte_is_given = Rendering(
            prediction.image,
            prediction.image_raw,
            prediction.feature_image,
            prediction.depth,
            prediction.opacity.detach(),
        )
        seen = self.network(self.show(matte_is_given))
        distances = [
            (_direction(one) - _direction(other)).square().sum(1).mean()
            for one, other in zip(seen, expected, strict=True)
        ]
        return torch.stack(distances).mean()


class NoTerm(PerceptualTerm):
    """Nothing looks: pixels alone count."""

    name = "none, pixels alone (no file of LPIPS was found, and the teacher has no discriminator)"

    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """0."""
        return prediction.image.new_zeros(())


def _direction(activation: Tensor) -> Tensor:
    return activation * (activation.square().sum(1, keepdim=True) + 1e-8).rsqrt()


def _shrunk(image: Tensor) -> Tensor:
    if max(image.shape[-2:]) <= LARGEST:
        return image
    return F.interpolate(
        image, (LARGEST, LARGEST), mode="bilinear", align_corners=False, antialias=True
    )


def lpips_term(folder: Path) -> PerceptualTerm | None:
    """LPIPS through the first network whose files are found: VGG16, then AlexNet; None without any.

    Raises:
        ValueError: a file has the name but is another one.
    """
    for network in NETWORKS:
        try:
            return LPIPSTerm(
                PerceptualLoss(weights_folder=folder, network=network, raw_weight=0), network
            )
        except FileNotFoundError:
            continue
    return None
