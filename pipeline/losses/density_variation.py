"""EG3D's density regularisation: neighbouring points should have similar density (supp. of EG3D;
weight 0.25).
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
    """Mean absolute difference of the densities (without the renderer's gain) at `points` and at
    `points + offsets`.
    """
    logits = renderer.field(triplane).density_logit(torch.cat([points, points + offsets], 1))
    here, there = F.softplus(logits - 1).chunk(2, 1)
    return (here - there).abs().mean()
