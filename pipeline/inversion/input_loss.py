"""The loss at the input view between rendering and photograph: squared error plus a perceptual term
(MSE + LPIPS in PTI, sec. 3.2, and in WYSIWYG).
"""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.rendering import Rendering

from .perceptual import PerceptualTerm


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weights of the two terms.

    Attributes:
        pixel: of the mean squared difference of images in [-1, 1].
        perceptual: of the perceptual term.

    Raises:
        ValueError: a negative weight, or both 0.
    """

    pixel: float | int = 1.0
    perceptual: float | int = 1.0

    def __post_init__(self) -> None:
        if min(self.pixel, self.perceptual) < 0 or self.pixel + self.perceptual <= 0:
            raise ValueError(
                f"weights of the input view are {dataclasses.asdict(self)}: give none below 0 and"
                " one above"
            )


class InputLoss:
    """The loss between renderings and one photograph.

    Args:
        target: the photograph at the size of the renderings (`at_side`).
        term: the perceptual term.
        weights: of the two terms.
    """

    def __init__(
        self, target: Float[Tensor, "1 3 side side"], term: PerceptualTerm, weights: LossWeights
    ) -> None:
        self.target, self.term, self.weights = target, term, weights

    def __call__(self, rendering: Rendering) -> Float[Tensor, ""]:
        """The weighted sum; 0 for equal images."""
        loss = self.weights.pixel * self.pixels(rendering)
        return (
            loss + self.weights.perceptual * self.seen(rendering)
            if self.weights.perceptual
            else loss
        )

    def against(self, target: Float[Tensor, "1 3 side side"]) -> "InputLoss":
        """The same loss for another target."""
        return InputLoss(target, self.term, self.weights)

    def pixels(self, rendering: Rendering) -> Float[Tensor, ""]:
        """The mean squared difference, unweighted."""
        return (rendering.image - self.target).square().mean()

    def seen(self, rendering: Rendering) -> Float[Tensor, ""]:
        """The perceptual term, unweighted."""
        distance: Tensor = self.term(rendering, self.target)
        return distance


def at_side(image: Float[Tensor, "1 3 height width"], side: int) -> Float[Tensor, "1 3 side side"]:
    """A photograph resampled to the size of the renderings (bicubic, antialiased).

    Raises:
        ValueError: it isn't square, or has values that aren't finite.
    """
    height, width = image.shape[-2:]
    if height != width:
        raise ValueError(
            f"a photograph of {width}×{height} pixels came, a square one is compared with square"
            " renderings: crop it first"
        )
    if not torch.isfinite(image).all():
        raise ValueError(
            "the photograph has values that aren't finite: nothing can be compared with it"
        )
    if height == side:
        return image.detach()
    return F.interpolate(
        image.detach(), (side, side), mode="bicubic", align_corners=False, antialias=True
    ).clamp(-1, 1)
