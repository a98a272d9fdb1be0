"""R1: the discriminator's squared gradient at real images (Mescheder et al. 2018, eq. 9)."""

import torch
from jaxtyping import Float
from torch import Tensor


def r1_penalty(
    logits: Float[Tensor, "batch 1"], shown: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, ""]:
    """Mean squared norm of d logits / d shown; multiply by gamma / 2.

    Args:
        logits: the discriminator's output, computed from `shown` in single precision.
        shown: its whole input for the real images (with dual discrimination both images); requires
            gradients.
    """
    # Each image's logit depends on that image (and hardly, by minibatch statistics, on others), so
    # the gradient of the sum has every image's own gradient in its row.
    (gradient,) = torch.autograd.grad(logits.sum(), shown, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
