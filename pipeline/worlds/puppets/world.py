"""PuppetWorld: identities, cameras → images with exact depth, normals and labels."""

from dataclasses import dataclass
from functools import cached_property, partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera

from .appearance import appearance
from .body import distance
from .distributions import draw_background, draw_expression, draw_identity, draw_light
from .factors import Background, Light, Puppet, moved, pack, unpack
from .light import backdrop, normals_at, shade
from .presence import Presence
from .splits import PuppetSeeds
from .tracer import gather_true, polish, take, trace

CACHED_POINTS = 4096
"""Points of each identity in one call of a compiled kernel: its temporaries then stay in the
processor's cache.
"""

VECTOR = 16
"""Points are padded to multiples of this: other sizes would be compiled again."""


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

    Args:
        compile: compile the signed distance and the albedo with torch.compile. The first call then
            takes one to three minutes (seconds when inductor's cache knows the kernels), later ones
            are several times faster. Not possible while jaxtyping checks calls.
        supersampling: each pixel is the mean of this many squared samples.
    """

    def __init__(self, *, compile: bool = False, supersampling: int = 2) -> None:
        self.supersampling = supersampling
        self._compile = compile

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
        surface, albedo_of = self._kernels(moved(puppet, camera.cam_to_world))
        light, background = (
            moved(light, camera.cam_to_world),
            moved(background, camera.cam_to_world),
        )
        # Numbers in the code must become constants: as inputs they would be double and keep the
        # kernels from being vectorised.
        with torch._dynamo.config.patch(specialize_float=True):
            return self._draw(surface, albedo_of, light, background, camera, resolution)

    def _draw(
        self,
        surface,
        albedo_of,
        light: Light,
        background: Background,
        camera: Camera,
        resolution: int,
    ) -> PuppetViews:  # type: ignore[no-untyped-def]
        fine = resolution * self.supersampling
        hits = trace(surface, camera, fine)
        rays = camera.rays(fine)
        chosen, counts = gather_true(hits.is_hit)
        origins, directions = take(rays.origins, chosen), take(rays.directions, chosen)
        depths = polish(surface, origins, directions, hits.depths.gather(1, chosen))
        points = origins + directions * depths[..., None]
        normals = normals_at(surface, points, 6e-4 + 0.3 / fine)
        albedo, parts = albedo_of(points)
        color = shade(surface, points, normals, directions, albedo, parts, light)
        is_real = torch.arange(chosen.shape[1], device=chosen.device) < counts[:, None]
        found = (
            torch.cat([color, normals, depths[..., None], parts[..., None]], -1)
            * is_real[..., None]
        )
        canvas = torch.zeros(len(camera), fine * fine, 8, device=points.device).scatter(
            1, chosen[..., None].expand(-1, -1, 8), found
        )
        return self._views(
            canvas,
            hits.is_hit,
            backdrop(camera.rays(resolution).directions, background),
            camera,
            resolution,
        )

    def _kernels(self, puppet: Puppet):  # type: ignore[no-untyped-def]
        packed = pack(puppet)
        if self._compile:
            return tuple(partial(_call, kernel, packed) for kernel in self._compiled)
        presence = Presence.of(puppet.identity)
        return (
            lambda points: distance(points.unbind(-1), puppet, presence),
            lambda points: appearance(points.unbind(-1), puppet, presence),
        )

    @cached_property
    def _compiled(self):  # type: ignore[no-untyped-def]
        return torch.compile(_distance_kernel, dynamic=True), torch.compile(
            _appearance_kernel, dynamic=True
        )

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


def _call(kernel, packed: Tensor, points: Tensor):  # type: ignore[no-untyped-def]
    count = points.shape[1]
    points = F.pad(points, (0, 0, 0, -count % VECTOR))
    pieces = [
        kernel(*piece.movedim(-1, 0).contiguous(), packed)
        for piece in points.split(CACHED_POINTS, 1)
    ]
    if isinstance(pieces[0], Tensor):
        return torch.cat(pieces, 1)[:, :count]
    return tuple(torch.cat(column, 1)[:, :count] for column in zip(*pieces, strict=True))


def _distance_kernel(x: Tensor, y: Tensor, z: Tensor, packed: Tensor) -> Tensor:
    return distance((x, y, z), unpack(Puppet, packed), Presence.everything())


def _appearance_kernel(x: Tensor, y: Tensor, z: Tensor, packed: Tensor) -> tuple[Tensor, Tensor]:
    return appearance((x, y, z), unpack(Puppet, packed), Presence.everything())
