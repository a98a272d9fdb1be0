"""Perceptual terms: LPIPS if its files are available, otherwise the teacher's own discriminator.

Both compare activations as LPIPS does (Zhang et al. 2018, eq. 1): normalised to unit length at each
position, so that the scale doesn't depend on the network.
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
"""Larger images are reduced to this side before LPIPS, as in StyleGAN2's and PTI's projections."""


class PerceptualTerm(nn.Module, ABC):
    """A perceptual distance between a rendering and a photograph.

    Attributes:
        name: for reports.
        is_lpips: whether published thresholds on LPIPS (PTI's: AlexNet's) apply.
    """

    name: str = "none"
    is_lpips: bool = False

    @abstractmethod
    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """0 for equal images; only the prediction gets gradients."""


class LPIPSTerm(PerceptualTerm):
    """LPIPS of the final images.

    Args:
        loss: with its weights.
        network: of the features, for the name.
    """

    def __init__(self, loss: PerceptualLoss, network: str) -> None:
        super().__init__()
        self.loss = loss
        self.is_lpips = network == "alexnet"  # VGG16's distances have another scale
        self.name = f"LPIPS ({network})"

    def forward(
        self, prediction: Rendering, target: Float[Tensor, "1 3 height width"]
    ) -> Float[Tensor, ""]:
        """See `PerceptualTerm`."""
        return self.loss.compare(_shrunk(prediction.image), _shrunk(target))


class DiscriminatorTerm(PerceptualTerm):
    """Mean squared difference of the normalised activations of a teacher's discriminator, averaged
    over its blocks.

    The discriminator's input has parts that a photograph lacks: its raw image is the photograph
    reduced to the raw resolution, its matte that of the prediction.

    Args:
        discriminator: is frozen.
        passport: of its teacher.

    Raises:
        ValueError: its input has other channels than the teacher's renderings.
    """

    def __init__(self, discriminator: Discriminator, passport: Passport) -> None:
        super().__init__()
        self.name = "features of the teacher's discriminator (the files of LPIPS are unavailable)"
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
    """No perceptual term: pixels alone count."""

    name = "none, pixels alone (the files of LPIPS and a discriminator are unavailable)"

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
    """LPIPS with the first network whose files are there (VGG16, then AlexNet); None without any.

    Raises:
        ValueError: a file has the name of a published one, but other content.
    """
    for network in NETWORKS:
        try:
            return LPIPSTerm(
                PerceptualLoss(weights_folder=folder, network=network, raw_weight=0), network
            )
        except FileNotFoundError:
            continue
    return None
