"""The angle between the normals of two surfaces."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import surface_normals

from .image_metrics import mean_inside
from .scoring_input import Numbers, ScoringInput


def normal_error(seen: ScoringInput) -> Numbers | None:
    """Mean angle in degrees between predicted and reference normals, away from silhouette edges
    and from unknown depth.

    Predicted normals follow from the depth; reference normals are the world's own where it has
    them. NaN where no pixel and its eight neighbours are all compared (`ScoringInput.depths`); None
    without depth.
    """
    angles = normal_angles(seen)
    return None if angles is None else mean_inside(*angles)


def normal_angles(
    seen: ScoringInput,
) -> tuple[Float[Tensor, "view 1 height width"], Bool[Tensor, "view 1 height width"]] | None:
    """The angle at each pixel in degrees, and the mask over which it counts; None without depth."""
    if seen.depths is None or seen.reference is None:
        return None
    depth, reference_depth, where = seen.depths
    predicted = surface_normals(depth, seen.camera)
    true = (
        surface_normals(reference_depth, seen.camera)
        if seen.reference.normal is None
        else F.normalize(seen.reference.normal, dim=1)
    )
    cosine = (predicted * true).sum(1, keepdim=True).clamp(-1, 1)
    return cosine.acos().rad2deg(), inner(where)


def inner(where: Bool[Tensor, "view 1 height width"]) -> Bool[Tensor, "view 1 height width"]:
    """The pixels all of whose eight neighbours are in the mask; none at the image border."""
    return F.max_pool2d(F.pad((~where).float(), (1, 1, 1, 1), value=1.0), 3, stride=1) == 0
