"""Feature matching in the discriminator's activations (pix2pixHD, Wang et al. 2018, eq. 4): a
perceptual loss without published weights.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from teachers.rendering.rendering import Rendering
from teachers.stylegan.discriminator import Discriminator

from .kinds import ViewLoss


class DiscriminatorFeatureLoss(ViewLoss):
    """Mean absolute difference of the activations behind each block of the discriminator, averaged
    over the blocks.

    The discriminator is the one that is being trained; this loss gives it no gradients. Its input
    is the usual one: with dual discrimination both images. The activations don't depend on the
    camera, which enters at the last projection only.

    Args:
        weight: factor in the sum.
        blocks: how many blocks count, from the finest; null: all.

    Raises:
        ValueError: `blocks` below 1.
    """

    def __init__(self, *, weight: float | int = 1.0, blocks: int | None = None) -> None:
        super().__init__(weight=weight)
        if blocks is not None and blocks < 1:
            raise ValueError(f"blocks is {blocks}: expected 1 or more, or null for all")
        self.blocks = blocks
        # in a tuple, so that the discriminator is neither a submodule nor saved with the loss
        self._attached: tuple[Activations, Callable[[Rendering], Tensor]] | None = None

    def attach(self, discriminator: Discriminator, show: Callable[[Rendering], Tensor]) -> None:
        """See `UsesDiscriminator`."""
        self._attached = (Activations(discriminator), show)

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In units of the activations.

        Raises:
            ValueError: no discriminator has been attached.
        """
        if self._attached is None:
            raise ValueError(
                "the loss discriminator_features has no discriminator: only an adversarial stage of"
                " the plan has one"
            )
        activations, show = self._attached
        # Gradients pass through the discriminator to the prediction, not into its weights.
        constants = {name: value.detach() for name, value in activations.named_parameters()}
        with torch.no_grad():
            expected = activations(show(target))
        seen = functional_call(activations, constants, (show(prediction),))
        return torch.stack(
            [(a - b).abs().mean() for a, b in zip(seen, expected, strict=True)][: self.blocks]
        ).mean()


class Activations(nn.Module):
    """A discriminator whose output is its activations."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, shown: Float[Tensor, "batch channel height width"]) -> list[Tensor]:
        """One tensor for each block, from fine to coarse."""
        return self.discriminator.activations(shown)
