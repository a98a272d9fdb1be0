"""An analytic teacher: identities of four coloured spheres with closed-form renderings, no weights.

Its renderer reads nothing but planes, as EG3D's: the square of a distance is a sum of terms of one
coordinate each, so three planes can represent r² - |p - c|² of every sphere. Renderings can be
compared with the integrals below (Max 1995: through constant density σ and length L, opacity is
1 - e^(-σL)).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.passport import Passport
from teachers.rendering.camera import Camera, Rays
from teachers.rendering.renderer import RaySampling, TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane

SPHERES = ("head", "nose", "right ear", "left ear")

_CENTRES = torch.tensor(
    [[0.0, 0.0, 0.0], [0.0, -0.02, 0.26], [-0.26, 0.04, 0.02], [0.26, 0.04, 0.02]]
)
_RADII = torch.tensor([0.14, 0.045, 0.045, 0.045])
_COLORS = torch.tensor([[0.75, 0.55, 0.45], [0.8, 0.3, 0.3], [0.3, 0.5, 0.8], [0.35, 0.7, 0.4]])
_CENTRE_RANGE, _RADIUS_RANGE, _COLOR_RANGE = 0.02, 0.015, 0.2  # spheres never touch within these
_PER_SPHERE = 7  # centre 3, radius 1, colour 3
_EMPTY_LOGIT = -20.0


@dataclass(frozen=True)
class Spheres:
    """The spheres of some identities: centres and radii in world units, colours in [0, 1]."""

    centres: Float[Tensor, "batch sphere 3"]
    radii: Float[Tensor, "batch sphere"]
    colors: Float[Tensor, "batch sphere 3"]

    @classmethod
    def from_latents(cls, ws: Float[Tensor, "batch 1 w_dim"]) -> "Spheres":
        """Reads the teacher's ws, which are the spheres' parameters."""
        values = ws[:, 0].unflatten(1, (len(SPHERES), _PER_SPHERE))
        return cls(values[..., :3], values[..., 3], values[..., 4:])


@dataclass(frozen=True)
class ClosedForm:
    """Exact integrals along rays; `color` is premultiplied, `depth` divided by opacity."""

    color: Float[Tensor, "batch ray 3"]
    depth: Float[Tensor, "batch ray"]
    opacity: Float[Tensor, "batch ray"]


def closed_form(spheres: Spheres, rays: Rays, density: float) -> ClosedForm:
    """Integrates rays through disjoint spheres of constant density; depth is NaN without a hit."""
    to_centre = spheres.centres[:, None] - rays.origins[:, :, None]
    along = (to_centre * rays.directions[:, :, None]).sum(-1)
    squared_half = spheres.radii[:, None] ** 2 - (to_centre.square().sum(-1) - along**2)
    half = squared_half.clamp(min=0).sqrt()
    entry, order = (along - half).sort(-1)
    length = (2 * half).gather(-1, order)
    colors = (
        spheres.colors[:, None]
        .expand(*half.shape, 3)
        .gather(2, order[..., None].expand(*half.shape, 3))
    )
    optical = density * length
    in_front = optical.cumsum(-1) - optical
    weights = torch.exp(-in_front) * -torch.expm1(-optical)
    moment = torch.exp(-in_front) * (
        (entry + 1 / density) * -torch.expm1(-optical) - length * torch.exp(-optical)
    )
    opacity = weights.sum(-1)
    return ClosedForm((weights[..., None] * colors).sum(2), moment.sum(-1) / opacity, opacity)


class ToyDecoder(nn.Module):
    """Plane features → colours and density logits; it has no parameters.

    Args:
        density: inside a sphere.
        sharpness: slope of the surface: the density rises from 0 over about 1 / (2 · radius ·
            sharpness) world units.
    """

    def __init__(self, *, density: float, sharpness: float) -> None:
        super().__init__()
        self.inside_logit = 1 + math.log(math.expm1(density))  # softplus(logit - 1) is the density
        self.sharpness = sharpness

    def forward(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point 4"], Float[Tensor, "batch point 1"]]:
        """RGB and a fourth channel that tells the spheres apart.

        Outside the box every feature is 0, which is empty.
        """
        level = (features[..., : len(SPHERES)] - 1) * self.sharpness
        colors = features[..., len(SPHERES) :].unflatten(-1, (len(SPHERES), 3))
        index = (torch.arange(len(SPHERES)).to(features) + 0.5) / len(SPHERES)
        share = torch.softmax(level, -1)
        mixed = (
            share[..., None] * torch.cat([colors, index[:, None].expand(*colors.shape[:-1], 1)], -1)
        ).sum(-2)
        inside = torch.sigmoid(level.amax(-1, keepdim=True))
        return mixed, _EMPTY_LOGIT + (self.inside_logit - _EMPTY_LOGIT) * inside

    def density_logit(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """The density logit alone."""
        return self(features, points)[1]


def toy_renderer(
    *,
    resolution: int = 32,
    depth_samples: int = 24,
    importance_samples: int = 24,
    density: float = 60.0,
    sharpness: float = 400.0,
    near: float = 2.25,
    far: float = 3.3,
) -> TriplaneRenderer:
    """The renderer of the toy's planes, onto white."""
    sampling = RaySampling(
        near=near, far=far, depth_samples=depth_samples, importance_samples=importance_samples
    )
    return TriplaneRenderer(
        decoder=ToyDecoder(density=density, sharpness=sharpness),
        sampling=sampling,
        resolution=resolution,
        background=1.0,
    )


class ToyTeacher(nn.Module):
    """Spheres as a `Teacher`; z determines their positions, sizes and colours.

    Args:
        plane_resolution: side of a plane; interpolation makes spheres smaller by about 1 / (2 ·
            radius · resolution²).
        resolution: side of the images.
        depth_samples, importance_samples: ray samples of the two passes.
        density: inside the spheres.
        sharpness: see `ToyDecoder`.
    """

    middle: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        plane_resolution: int = 32,
        resolution: int = 32,
        depth_samples: int = 24,
        importance_samples: int = 24,
        density: float = 60.0,
        sharpness: float = 400.0,
    ) -> None:
        super().__init__()
        self.z_dim = len(SPHERES) * _PER_SPHERE
        self._renderer_arguments: dict[str, Any] = {
            "resolution": resolution,
            "depth_samples": depth_samples,
            "importance_samples": importance_samples,
            "density": density,
            "sharpness": sharpness,
        }
        self.renderer = toy_renderer(**self._renderer_arguments)
        self.passport = Passport(
            kind="toy",
            name="spheres",
            plane_axes=ORTHOGONAL_AXES,
            plane_channels=4 * len(SPHERES),
            plane_resolution=plane_resolution,
            box_size=1.0,
            near=self.renderer.sampling.near,
            far=self.renderer.sampling.far,
            focal=4.2647,
            camera_radius=2.7,
            camera_pivot=(0.0, 0.0, 0.0),
            render_resolution=resolution,
            image_resolution=resolution,
            depth_samples=depth_samples,
            importance_samples=importance_samples,
            background="white",
            super_resolution="none",
            sr_latent="none",
            source_hash="",
            licence="Apache-2.0, as all of trilift",
            options={"density": density, "sharpness": sharpness},
        )
        middle = torch.cat([_CENTRES, _RADII[:, None], _COLORS], 1).flatten()
        scale = torch.tensor([_CENTRE_RANGE] * 3 + [_RADIUS_RANGE] + [_COLOR_RANGE] * 3).repeat(
            len(SPHERES)
        )
        self.register_buffer("middle", middle, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.eval()

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        """See `Teacher.renderer_recipe`."""
        return "teachers.toy.toy_renderer", dict(self._renderer_arguments)

    def map_latents(
        self,
        z: Float[Tensor, "batch z_dim"],
        camera: Camera | None = None,
        *,
        truncation: float = 1.0,
    ) -> Float[Tensor, "batch 1 w_dim"]:
        """The spheres' parameters; cameras don't condition them."""
        return (self.middle + truncation * self.scale * torch.tanh(z))[:, None]

    def synthesize(self, ws: Float[Tensor, "batch 1 w_dim"]) -> Triplane:
        """Planes with one channel per sphere for 1 + r² - |p - c|², then the spheres' colours."""
        spheres, size = Spheres.from_latents(ws), self.passport.plane_resolution
        centres = ((torch.arange(size).to(ws) + 0.5) / size - 0.5) * self.passport.box_size
        planes = [self._plane(spheres, centres, axes) for axes in self.passport.plane_axes]
        return self.passport.triplane(torch.stack(planes, 1))

    def _plane(
        self, spheres: Spheres, texels: Float[Tensor, " texel"], axes: str
    ) -> Float[Tensor, "batch channel texel texel"]:
        # Sampling takes the mean of three planes, and each coordinate is kept by two of them: hence
        # 3 / 2.
        column, row = (
            (texels - spheres.centres[..., "xyz".index(axis), None]) ** 2 * 1.5 for axis in axes
        )
        level = (1 + spheres.radii**2)[..., None, None] - row[..., :, None] - column[..., None, :]
        colors = spheres.colors.flatten(1)[..., None, None].expand(-1, -1, *level.shape[-2:])
        return torch.cat([level, colors], 1)

    def render(
        self,
        triplane: Triplane,
        camera: Camera,
        *,
        ws: Float[Tensor, "batch 1 w_dim"] | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        """See `Teacher.render`."""
        return self.renderer(triplane, camera, ws, jitter)

    def mean_latent(self) -> Float[Tensor, "1 1 w_dim"]:
        """The identity of z = 0."""
        return self.middle[None, None]

    def train(self, mode: bool = True) -> "ToyTeacher":
        """Stays in evaluation mode whatever its owner does."""
        return super().train(False)
