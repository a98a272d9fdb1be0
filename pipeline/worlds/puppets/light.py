"""Shading (soft directional and ambient light, occlusion, gloss) and the backdrop."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .body import Part
from .factors import Background, Light
from .tracer import Distance

GLOSS = {
    Part.EYE: 2.0,
    Part.LENS: 2.0,
    Part.GLASSES: 2.0,
    Part.JEWEL: 2.0,
    Part.CLOTHES: 0.15,
    Part.HAT: 0.15,
    Part.MOUTH: 0.3,
}
"""How much glossier than skin and hair."""

TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))


def normals_at(
    distance: Distance, points: Float[Tensor, "identity point 3"], step: float
) -> Float[Tensor, "identity point 3"]:
    """Unit gradients of the distance, from four evaluations at the corners of a tetrahedron."""
    corners = torch.tensor(TETRAHEDRON).to(points)
    offsets = (points[:, None] + corners[:, None] * step).flatten(1, 2)
    values = distance(offsets).unflatten(1, (4, -1))
    return F.normalize((values[..., None] * corners[:, None]).sum(1), dim=-1)


def shade(
    distance: Distance,
    points: Float[Tensor, "identity point 3"],
    normals: Float[Tensor, "identity point 3"],
    views: Float[Tensor, "identity point 3"],
    albedo: Float[Tensor, "identity point 3"],
    parts: Float[Tensor, "identity point"],
    light: Light,
) -> Float[Tensor, "identity point 3"]:
    """Colour in [0, 1] of surface points; `views` are the directions of the rays that hit them."""
    open_, lit = _occlusion(distance, points, normals, light)
    diffuse = ((normals * light.direction).sum(-1) * 0.75 + 0.25).clamp(min=0)
    around = light.ambient * (0.86 + 0.16 * normals[..., 1] + 0.10 * normals[..., 2])
    halfway = F.normalize(light.direction - views, dim=-1)
    gloss = light.gloss * _glossiness(parts) * (normals * halfway).sum(-1).clamp(min=0) ** 32
    return (
        albedo * ((around * open_)[..., None] + light.color * (diffuse * lit)[..., None])
        + (gloss * lit)[..., None]
    ).clamp(0, 1)


def backdrop(
    directions: Float[Tensor, "identity ray 3"], background: Background
) -> Float[Tensor, "identity ray 3"]:
    """Colour in [0, 1] of what lies behind, a function of the viewing direction alone."""
    across, up = directions[..., 0], directions[..., 1]
    share = torch.sigmoid(
        background.slope * 3 * (up * 6).clamp(-1, 1) + 8 * across * (background.swirl - 0.5)
    )
    ripple = (23 * across + 40 * background.swirl).sin() * (19 * up + 9 * background.slope).sin()
    share = (share + 0.18 * background.swirl * ripple).clamp(0, 1)
    return background.first + (background.second - background.first) * share[..., None]


def _occlusion(
    distance: Distance, points: Tensor, normals: Tensor, light: Light
) -> tuple[Tensor, Tensor]:
    """Ambient occlusion and soft shadow of a point, from four probes of the distance."""
    probes = (
        normals * 0.035,
        normals * 0.10,
        light.direction * 0.05 + normals * 0.006,
        light.direction * 0.13 + normals * 0.006,
    )
    near, wide, close, distant = distance(torch.cat([points + probe for probe in probes], 1)).chunk(
        4, 1
    )
    open_ = (0.45 + 0.55 * (near / 0.035).clamp(0, 1)) * (0.66 + 0.34 * (wide / 0.10).clamp(0, 1))
    lit = 0.45 + 0.55 * (close / 0.035).clamp(0, 1) * (distant / 0.06).clamp(0, 1)
    return open_, lit


def _glossiness(parts: Tensor) -> Tensor:
    table = torch.tensor([GLOSS.get(part, 1.0) for part in Part]).to(parts)
    return table[parts.long()]
