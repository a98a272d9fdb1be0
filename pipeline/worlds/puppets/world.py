"""PuppetWorld: identities, cameras → images with exact depth, normals and labels."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from teachers.kernels import fast_kernels
from teachers.rendering.camera import Camera, Rays

from .appearance import appearance
from .body import distance
from .distributions import draw_background, draw_expression, draw_identity, draw_light
from .factors import Background, Light, Puppet, moved, row_of
from .fast import draw_samples
from .light import backdrop, normals_at, shade
from .presence import Presence
from .splits import PuppetSeeds
from .tracer import gather_true, polish, take, trace


@dataclass(frozen=True)
class PuppetViews:
    """One picture per identity.

    Attributes:
        color: RGB in [0, 1], premultiplied by the opacity: black where nothing is.
        opacity: share of a pixel's samples that hit the identity, in [0, 1].
        depth: mean distance from the camera centre of the samples that hit (world units), 0 where
            none did.
        normal: mean unit normal in world space, 0 where nothing is.
        part: `Part` numbers of one sample near the middle of each pixel.
        backdrop: RGB in [0, 1] of the background.
        camera: the cameras that took the pictures.
    """

    color: Float[Tensor, "batch 3 height width"]
    opacity: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    normal: Float[Tensor, "batch 3 height width"]
    part: Int[Tensor, "batch 1 height width"]
    backdrop: Float[Tensor, "batch 3 height width"]
    camera: Camera

    def image(
        self, background: Float[Tensor, "batch 3 height width"] | float | None = None
    ) -> Float[Tensor, "batch 3 height width"]:
        """The image in [-1, 1] over a background in [0, 1]; None: the identity's backdrop."""
        behind = self.backdrop if background is None else background
        return (self.color + (1 - self.opacity) * behind) * 2 - 1

    def rgba(self) -> Float[Tensor, "batch 4 height width"]:
        """Premultiplied colour and opacity, in [0, 1]."""
        return torch.cat([self.color, self.opacity], 1)


class PuppetWorld:
    """Renders the identities of given seeds.

    On a CPU, "fast" kernels (`teachers.kernels`) make the same pictures but for rounding, several
    times faster. The first picture then compiles them, once a machine (a minute).

    Args:
        supersampling: each pixel is the mean of this many squared samples.
    """

    def __init__(self, *, supersampling: int = 2) -> None:
        self.supersampling = supersampling

    @torch.no_grad()
    def render(self, seeds: PuppetSeeds, camera: Camera, resolution: int) -> PuppetViews:
        """One square picture per camera; row i shows the identity of row i of `seeds`.

        Raises:
            ValueError: the numbers of seeds and cameras differ.
        """
        if len(seeds) != len(camera):
            raise ValueError(
                f"{len(seeds)} seeds came with {len(camera)} cameras: give each identity one camera"
                " (repeat the identity for more views)."
            )
        puppet = Puppet(draw_identity(seeds.identity), draw_expression(seeds.expression))
        return self.render_puppet(
            puppet, draw_light(seeds.light), draw_background(seeds.background), camera, resolution
        )

    @torch.no_grad()
    def render_puppet(
        self, puppet: Puppet, light: Light, background: Background, camera: Camera, resolution: int
    ) -> PuppetViews:
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
        return self._views(canvas, is_hit, behind, camera, resolution)

    def _views(
        self, canvas: Tensor, is_hit: Tensor, behind: Tensor, camera: Camera, resolution: int
    ) -> PuppetViews:
        grid = canvas.mT.unflatten(2, (resolution * self.supersampling,) * 2)
        mean = F.avg_pool2d(grid, self.supersampling)
        opacity = F.avg_pool2d(
            is_hit.float().unflatten(1, grid.shape[2:])[:, None], self.supersampling
        )
        middle = self.supersampling // 2
        return PuppetViews(
            color=mean[:, :3],
            opacity=opacity,
            depth=mean[:, 6:7] / opacity.clamp(min=1e-6),
            normal=F.normalize(mean[:, 3:6], dim=1) * (opacity > 0),
            part=grid[:, 7:8, middle :: self.supersampling, middle :: self.supersampling]
            .round()
            .long(),
            backdrop=behind.mT.unflatten(2, (resolution, resolution)),
            camera=camera,
        )


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
