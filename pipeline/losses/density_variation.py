"""EG3D's density regularisation: an L1 penalty on the density's variation (supplement; weight
0.25).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane


def density_variation(
    renderer: TriplaneRenderer,
    triplane: Triplane,
    points: Float[Tensor, "batch point 3"],
    offsets: Float[Tensor, "batch point 3"],
) -> Float[Tensor, ""]:
    """Mean of |σ(x) - σ(x + δ)| over `points` x and `offsets` δ (world space), where
    σ = softplus(logit - 1), without the renderer's gain.
    """
    logits = renderer.field(triplane).density_logit(torch.cat([points, points + offsets], 1))
    here, there = F.softplus(logits - 1).chunk(2, 1)
    return (here - there).abs().mean()
