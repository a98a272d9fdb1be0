"""HeadWorld: people, cameras → images with exact depth, normals, labels and landmarks."""

import numpy as np
import torch
from torch import Tensor

from pipeline.worlds.splits import WorldSeeds
from pipeline.worlds.views import WorldViews, mean_samples
from pipeline.worlds.world import check_counts
from teachers.rendering.camera import Camera

from .anny_files import anny_version
from .background import backdrop, draw_background
from .distributions import draw_identity
from .expressions import draw_expression
from .factors import Background, Light, Person
from .frame import PIVOT
from .light import draw_light
from .rasterizer import Lens
from .rendering import LitScene, Samples, lit, render
from .scene import scene_of
from .version import WORLD_VERSION

SceneKey = tuple[int, int, int, float]
FULL_DETAIL = 512
"""Samples of a side at which hair has all its strands; coarser pictures have their share."""
LEAST_DETAIL = 0.25


class HeadWorld:
    """Renders the people of given seeds, on the CPU.

    The first picture reads anny's files (seconds) and compiles kernels (a minute), once a machine.

    Args:
        supersampling: each pixel is the mean of this many squared samples.

    Raises:
        ModuleNotFoundError: anny isn't installed.
    """

    name = "heads"
    version = WORLD_VERSION
    pivot = PIVOT

    def __init__(self, *, supersampling: int = 2) -> None:
        anny_version()
        self.supersampling = supersampling
        self._last: tuple[SceneKey, LitScene] | None = None

    @torch.no_grad()
    def render(self, seeds: WorldSeeds, camera: Camera, resolution: int) -> WorldViews:
        """One square picture per camera; row i shows the person of row i of `seeds`.

        Raises:
            ValueError: the numbers of seeds and cameras differ.
        """
        check_counts(seeds, camera)
        keys = zip(seeds.identity, seeds.expression, seeds.light, strict=True)
        detail = self._detail(resolution)
        scenes = (self._scene((*key, detail)) for key in keys)
        backgrounds = [draw_background(seed) for seed in seeds.background]
        return self._render(scenes, backgrounds, camera, resolution)

    @torch.no_grad()
    def render_people(
        self,
        people: list[Person],
        lights: list[Light],
        backgrounds: list[Background],
        camera: Camera,
        resolution: int,
        *,
        behind: Camera | None = None,
    ) -> WorldViews:
        """One square picture per camera, of factors that needn't come from seeds; `behind` are the
        cameras that see the backdrops, if not the same.
        """
        detail = self._detail(resolution)
        pairs = zip(people, lights, strict=True)
        scenes = (lit(scene_of(person, detail), light) for person, light in pairs)
        return self._render(scenes, backgrounds, camera, resolution, behind)

    def _scene(self, key: SceneKey) -> LitScene:
        """Built once for views that follow one another."""
        if self._last is None or self._last[0] != key:
            identity, expression, light, detail = key
            person = Person(draw_identity(identity), draw_expression(expression, identity))
            self._last = key, lit(scene_of(person, detail), draw_light(light))
        return self._last[1]

    def _detail(self, resolution: int) -> float:
        return min(1.0, max(LEAST_DETAIL, resolution * self.supersampling / FULL_DETAIL))

    def _render(self, scenes, backgrounds, camera, resolution, seen=None) -> WorldViews:  # type: ignore[no-untyped-def]
        fine = resolution * self.supersampling
        rays = (seen or camera).rays(resolution).directions
        samples, hits, landmarks, behind = [], [], [], []
        for row, scene in enumerate(scenes):
            found = render(scene, lens_of(camera, row, fine))
            samples.append(_as_tensor(found))
            hits.append(torch.from_numpy(found.part.ravel() > 0))
            landmarks.append(torch.from_numpy(scene.scene.shape.landmarks))
            directions = rays[row].float().cpu().numpy()
            behind.append(torch.from_numpy(backdrop(directions, backgrounds[row]).astype("f4")))
        target = camera.cam_to_world
        backdrops = torch.stack(behind).mT.unflatten(2, (resolution, resolution))
        return mean_samples(
            torch.stack(samples).to(target),
            torch.stack(hits).to(target.device),
            backdrops.to(target),
            camera,
            self.supersampling,
            torch.stack(landmarks).to(target),
        )


def lens_of(camera: Camera, row: int, size: int) -> Lens:
    """One camera of a batch, for pictures of `size` pixels.

    Raises:
        ValueError: its pixels aren't square, or skewed.
    """
    matrix = camera.cam_to_world[row].double().cpu().numpy()
    intrinsics = camera.intrinsics[row].double().cpu().numpy()
    if abs(intrinsics[0, 0] - intrinsics[1, 1]) > 1e-4 or abs(intrinsics[0, 1]) > 1e-6:
        raise ValueError(
            f"intrinsics {intrinsics.tolist()} have unequal focal lengths or skew: the world of"
            " heads draws square pixels only"
        )
    return Lens(
        matrix[:3, :3].T.astype(np.float32),
        matrix[:3, 3].astype(np.float32),
        float(intrinsics[0, 0] * size),
        (intrinsics[:2, 2] * size).astype(np.float32),
        size,
    )


def _as_tensor(found: Samples) -> Tensor:
    columns = [found.color, found.normal, found.depth[..., None], found.part[..., None]]
    return torch.from_numpy(np.concatenate(columns, 2).reshape(-1, 8))
