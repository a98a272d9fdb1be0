"""PuppetWorld: identities, cameras → images with exact depth, normals and labels."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.worlds.splits import WorldSeeds
from pipeline.worlds.views import WorldViews, mean_samples
from pipeline.worlds.world import check_counts
from teachers.kernels import fast_kernels
from teachers.rendering.camera import Camera, Rays

from .appearance import appearance
from .body import distance
from .distributions import draw_background, draw_expression, draw_identity, draw_light
from .factors import Background, Light, Puppet, moved, row_of
from .fast import draw_samples
from .light import backdrop, normals_at, shade
from .presence import Presence
from .tracer import gather_true, polish, take, trace
from .version import WORLD_VERSION


class PuppetWorld:
    """Renders the identities of given seeds.

    On a CPU, "fast" kernels (`teachers.kernels`) make the same pictures but for rounding, several
    times faster. The first picture then compiles them, once a machine (a minute).

    Args:
        supersampling: each pixel is the mean of this many squared samples.
    """

    name = "puppets"
    version = WORLD_VERSION
    pivot = (0.0, 0.0, 0.0)

    def __init__(self, *, supersampling: int = 2) -> None:
        self.supersampling = supersampling

    @torch.no_grad()
    def render(self, seeds: WorldSeeds, camera: Camera, resolution: int) -> WorldViews:
        """One square picture per camera; row i shows the identity of row i of `seeds`.

        Raises:
            ValueError: the numbers of seeds and cameras differ.
        """
        check_counts(seeds, camera)
        puppet = Puppet(draw_identity(seeds.identity), draw_expression(seeds.expression))
        return self.render_puppet(
            puppet, draw_light(seeds.light), draw_background(seeds.background), camera, resolution
        )

    @torch.no_grad()
    def render_puppet(
        self, puppet: Puppet, light: Light, background: Background, camera: Camera, resolution: int
    ) -> WorldViews:
        """One square picture per camera, on its device, of factors that needn't come from seeds."""
        target = camera.cam_to_world
        puppet, light, background = (
            moved(puppet, target),
            moved(light, target),
            moved(background, target),
        )
        fine = resolution * self.supersampling
        if fast_kernels() and camera.cam_to_world.device.type == "cpu":
            canvas, is_hit = _draw_fast(puppet, light, camera, fine)
        else:
            canvas, is_hit = _draw(puppet, light, camera, fine)
        behind = backdrop(camera.rays(resolution).directions, background)
        backdrops = behind.mT.unflatten(2, (resolution, resolution))
        return mean_samples(canvas, is_hit, backdrops, camera, self.supersampling)


def _draw(
    puppet: Puppet, light: Light, camera: Camera, fine: int
) -> tuple[Float[Tensor, "identity ray 8"], Bool[Tensor, "identity ray"]]:
    """What the rays through `fine`² pixels see (colour, normal, depth, part number; zeros where
    nothing is), and which of them hit.
    """
    presence = Presence.of(puppet.identity)

    def surface(points: Tensor) -> Tensor:
        return distance(points.unbind(-1), puppet, presence)  # type: ignore[arg-type]

    hits, rays = trace(surface, camera, fine), camera.rays(fine)
    chosen, counts = gather_true(hits.is_hit)
    origins, directions = take(rays.origins, chosen), take(rays.directions, chosen)
    depths = polish(surface, origins, directions, hits.depths.gather(1, chosen))
    points = origins + directions * depths[..., None]
    normals = normals_at(surface, points, 6e-4 + 0.3 / fine)
    albedo, parts = appearance(points.unbind(-1), puppet, presence)  # type: ignore[arg-type]
    color = shade(surface, points, normals, directions, albedo, parts, light)
    is_real = torch.arange(chosen.shape[1], device=chosen.device) < counts[:, None]
    found = torch.cat([color, normals, depths[..., None], parts[..., None]], -1)
    canvas = torch.zeros(len(camera), fine * fine, 8, device=points.device).scatter(
        1, chosen[..., None].expand(-1, -1, 8), found * is_real[..., None]
    )
    return canvas, hits.is_hit


def _draw_fast(puppet: Puppet, light: Light, camera: Camera, fine: int) -> tuple[Tensor, Tensor]:
    """`_draw`, one identity at a time."""
    rays, found = camera.rays(fine), []
    for i in range(len(camera)):
        one = Rays(rays.origins[i : i + 1], rays.directions[i : i + 1])
        found.append(
            draw_samples(row_of(puppet, i), row_of(light, i), row_of(camera, i), one, fine)
        )
    canvas, is_hit = zip(*found, strict=True)
    return torch.stack(canvas), torch.stack(is_hit)
