"""The field of a lifted identity, for points as numpy arrays."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.density import HasSignedDistance, density_activation_of
from teachers.rendering.renderer import TriplaneRenderer

POINTS_AT_ONCE = 1 << 15
UNSEEN = 1 / 512
"""Light behind which a colour changes no picture of 8 bits."""


class Field:
    """Colours and densities of one identity in world space.

    EG3D's decoders take no view direction: a point has one colour.

    Args:
        portrait: the identity.

    Raises:
        ValueError: its renderer has no field.
    """

    def __init__(self, portrait: LiftedPortrait) -> None:
        renderer = portrait.lifter.renderer
        if not isinstance(renderer, TriplaneRenderer):
            raise ValueError(
                f"a {type(renderer).__name__} has no field of densities: expected the renderer of"
                " a triplane"
            )
        self._field = renderer.field(portrait.triplane)
        self._point_colors = renderer.point_colors
        self._like = portrait.triplane.planes
        self.activation = density_activation_of(self._field)
        self.box_size = portrait.triplane.box_size

    @torch.no_grad()
    def logits(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, " point"]:
        """What the density activation takes."""
        return self._in_parts(points, lambda p: self._field.density_logit(p)[0, :, 0])

    @torch.no_grad()
    def distances(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, " point"]:
        """Signed distances to the surface, negative inside, of a field that `has_distances`."""
        field = self._field
        assert isinstance(field, HasSignedDistance)
        return self._in_parts(points, lambda p: field.signed_distance(p)[0, :, 0])

    @property
    def has_distances(self) -> bool:
        """The surface is known: no level of the density has to stand for it."""
        return isinstance(self._field, HasSignedDistance)

    @torch.no_grad()
    def colors(self, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
        """Colours, sRGB in [0, 1] (before super-resolution, where the teacher has one)."""
        return np.clip(self._shaded(points)[0], 0, 1)

    @torch.no_grad()
    def seen_colors(
        self, points: Float[np.ndarray, "point 3"], normals: Float[np.ndarray, "point 3"]
    ) -> Float[np.ndarray, "point 3"]:
        """What a ray against a direction out of the surface sees, as the renderer composites it.

        The density of a teacher is a shell of some thickness whose colour changes with depth; a
        picture shows their mean, which a single point doesn't.
        """
        step_length = self.box_size / 200
        steps = step_length * np.arange(-8, 30, dtype=np.float32)
        seen = np.zeros(points.shape, np.float32)
        light = np.ones(len(points), np.float32)
        rays = np.arange(len(points))
        for step in steps:
            at = (points[rays] - step * normals[rays]).astype(np.float32)
            colors, density = self._shaded(at)
            opacity = -np.expm1(-density * step_length)
            seen[rays] += (light[rays] * opacity)[:, None] * colors
            light[rays] *= 1 - opacity
            rays = rays[light[rays] > UNSEEN]
            if not len(rays):
                break
        return np.clip(seen + light[:, None] * self._shaded(points)[0], 0, 1)

    def _shaded(
        self, points: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, "point 3"], Float[np.ndarray, " point"]]:
        """Colours and densities in one pass.

        Colours aren't clamped: a signed one may count as such in the mean along a ray.
        """

        def shaded(part: torch.Tensor) -> torch.Tensor:
            features, logits = self._field(part)
            density = self.activation(logits[0].float())
            return torch.cat([self._point_colors(features)[0].float(), density], 1)

        found = self._in_parts(points, shaded)
        return found[:, :3], found[:, 3]

    def _in_parts(
        self,
        points: Float[np.ndarray, "point 3"],
        function: Callable[[torch.Tensor], torch.Tensor],
    ) -> np.ndarray:
        parts = torch.from_numpy(np.ascontiguousarray(points, np.float32)).split(POINTS_AT_ONCE)
        found = [function(part[None].to(self._like)).float().cpu() for part in parts]
        return torch.cat(found).numpy()
