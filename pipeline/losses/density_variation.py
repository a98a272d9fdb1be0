"""EG3D's density regularisation: an L1 penalty on the density's variation (supplement; weight
0.25).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.density import ShiftedSoftplus, density_activation_of
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane


def density_variation(
    renderer: TriplaneRenderer,
    triplane: Triplane,
    points: Float[Tensor, "batch point 3"],
    offsets: Float[Tensor, "batch point 3"],
) -> Float[Tensor, ""]:
    """Mean of |σ(x) - σ(x + δ)| over `points` x and `offsets` δ (world space), where σ is the
    density by the decoder's activation, with a gain of 1: softplus(logit - 1) for EG3D's.
    """
    field = renderer.field(triplane)
    activation = density_activation_of(field)
    if isinstance(activation, ShiftedSoftplus):
        # The weight is meant for EG3D's scale of densities, whatever the gain of a small teacher.
        activation = replace(activation, gain=1.0)
    logits = field.density_logit(torch.cat([points, points + offsets], 1))
    here, there = activation(logits).chunk(2, 1)
    return (here - there).abs().mean()
