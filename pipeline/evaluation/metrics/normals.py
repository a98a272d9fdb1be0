"""The angle between the normals of two surfaces."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import surface_normals

from .comparison import Comparison, Numbers


def normal_error(seen: Comparison) -> Numbers | None:
    """Mean angle in degrees between the normals of the predicted and of the true surface, away from
    their edges.

    The predicted ones follow from the depth, the true ones are the world's own where it has them.
    NaN where no pixel has whole surroundings in both; None without depth.
    """
    angles = normal_angles(seen)
    return None if angles is None else mean_inside(*angles)


def normal_angles(
    seen: Comparison,
) -> tuple[Float[Tensor, "view 1 height width"], Bool[Tensor, "view 1 height width"]] | None:
    """The angle at each pixel in degrees, and where it counts; None without depth."""
    if seen.depths is None or seen.truth is None:
        return None
    depth, true_depth, both = seen.depths
    predicted = surface_normals(depth, seen.camera)
    true = (
        surface_normals(true_depth, seen.camera)
        if seen.truth.normal is None
        else F.normalize(seen.truth.normal, dim=1)
    )
    cosine = (predicted * true).sum(1, keepdim=True).clamp(-1, 1)
    return cosine.acos().rad2deg(), inner(both)


def inner(where: Bool[Tensor, "view 1 height width"]) -> Bool[Tensor, "view 1 height width"]:
    """The pixels whose eight neighbours count, too; none of the picture's border."""
    return F.max_pool2d(F.pad((~where).float(), (1, 1, 1, 1), value=1.0), 3, stride=1) == 0


def mean_inside(
    values: Float[Tensor, "view 1 height width"], where: Bool[Tensor, "view 1 height width"]
) -> Numbers:
    """The mean over the pixels that count; NaN without any."""
    return torch.where(where, values, 0).sum((1, 2, 3)) / where.sum((1, 2, 3))
