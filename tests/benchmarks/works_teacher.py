"""Rows on a teacher's images: the whole, its stages, its memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from teachers.eg3d.teacher import EG3DTeacher
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import RayJitter
from teachers.untrained import untrained_teacher
from tests.benchmarks import baseline
from tests.benchmarks.machine import has_bfloat16_instructions
from tests.benchmarks.measuring import Contender, Timing, Unavailable, Work

TINY = {
    "z_dim": 16,
    "w_dim": 16,
    "plane_resolution": 16,
    "plane_channels": 8,
    "channel_base": 256,
    "channel_max": 32,
    "hidden_channels": 16,
    "feature_channels": 8,
    "depth_samples": 4,
    "importance_samples": 4,
    "render_resolution": 64,
    "image_resolution": 128,
    "super_resolution": "2X",
}

KERNELS = ("readable", "fast")


class Scene:
    """A teacher (FFHQ's 512² sizes, random weights), latents, cameras and ray jitter.

    Args:
        scale: "full" or "tiny".
        batch: identities.
    """

    def __init__(self, scale: str, batch: int = 1) -> None:
        self.teacher: EG3DTeacher = untrained_teacher({} if scale == "full" else TINY)
        self.random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            z = torch.randn(batch, self.teacher.z_dim, generator=self.random)
            self.ws = self.teacher.map_latents(z)
        self.camera, self.other = (self._camera(yaw, batch) for yaw in (0.3, -0.4))
        renderer = self.teacher.renderer
        self.jitter = RayJitter(
            *(
                torch.rand(batch, renderer.resolution**2, count, generator=self.random)
                for count in renderer.ray_samples
            )
        )

    def _camera(self, yaw: float, batch: int) -> Camera:
        return Camera.orbit(
            torch.linspace(-yaw, yaw, batch) + yaw,
            torch.zeros(batch),
            pivot=self.teacher.passport.camera_pivot,
        )

    @torch.no_grad()
    def image(self) -> Tensor:
        """Planes, rays, super-resolution."""
        return self.view(self.teacher.synthesize(self.ws), self.camera)

    @torch.no_grad()
    def two_views(self) -> None:
        """As a training sample: planes once, two cameras."""
        triplane = self.teacher.synthesize(self.ws)
        self.view(triplane, self.camera)
        self.view(triplane, self.other)

    @torch.no_grad()
    def view(self, triplane: Any, camera: Camera) -> Tensor:
        """An image of planes that are there."""
        return self.teacher.render(triplane, camera, ws=self.ws, jitter=self.jitter).image

    def baseline_image(self) -> Tensor:
        """The plain algorithm."""
        return baseline.image(self.teacher, self.ws, self.camera, self.jitter)


@contextmanager
def chosen(kernels: str) -> Iterator[None]:
    """The kernels for a block.

    Raises:
        Unavailable: what they need isn't installed.
    """
    try:
        context = use_kernels(kernels)
        context.__enter__()
    except ModuleNotFoundError as error:
        raise Unavailable(str(error)) from error
    try:
        yield
    finally:
        context.__exit__(None, None, None)


def with_kernels(kernels: str, function: Callable[[], object]) -> Work:
    """A work that runs with these kernels."""

    def work() -> None:
        with chosen(kernels):
            function()

    return work


def both_kernels(
    function: Callable[[], object], *, counts_flop: bool = False
) -> dict[str, Contender]:
    """The readable and the fast path of the same call."""
    return {
        kernels: Contender(
            with_kernels(kernels, function), counts_flop=counts_flop and kernels == "readable"
        )
        for kernels in KERNELS
    }


def image(scale: str) -> dict[str, Contender]:
    """Whole images, and a sample of two cameras."""
    scene = Scene(scale)
    return {
        "baseline": Contender(plain(scene.baseline_image)),
        **both_kernels(scene.image, counts_flop=True),
        "fast, two cameras": Contender(with_kernels("fast", scene.two_views)),
    }


def image_bfloat16(scale: str) -> dict[str, Contender]:
    """Whole images, with convolutions and matrix products in bfloat16."""
    if scale == "full" and not has_bfloat16_instructions():
        raise Unavailable("this processor has no AVX512-BF16: bfloat16 would gain nothing")
    scene = Scene(scale)
    expected: list[Tensor] = []

    def work() -> Timing:
        with use_kernels("fast"), torch.autocast("cpu", torch.bfloat16):
            found = scene.image()
        if not expected:
            expected.append(scene.image())
            return Timing()
        error = (found.float() - expected[0]).abs() / 2
        return Timing(values={"mean_error": float(error.mean()), "max_error": float(error.max())})

    return {
        "baseline": Contender(plain(scene.baseline_image)),
        "fast, bf16": Contender(work),
    }


def planes(scale: str) -> dict[str, Contender]:
    """ws → planes."""
    scene = Scene(scale)
    return {
        "baseline": Contender(plain(lambda: baseline.planes(scene.teacher, scene.ws))),
        **both_kernels(no_grad(lambda: scene.teacher.synthesize(scene.ws)), counts_flop=True),
    }


def view(scale: str) -> dict[str, Contender]:
    """Planes → image: rays and super-resolution."""
    scene = Scene(scale)
    triplane = no_grad(lambda: scene.teacher.synthesize(scene.ws))()
    return {
        "baseline": Contender(
            plain(
                lambda: baseline.view(
                    scene.teacher, triplane.planes, scene.ws, scene.camera, scene.jitter
                )
            )
        ),
        **both_kernels(lambda: scene.view(triplane, scene.camera), counts_flop=True),
    }


def rays(scale: str) -> dict[str, Contender]:
    """Planes → feature image, without super-resolution."""
    scene = Scene(scale)
    teacher, renderer = scene.teacher, scene.teacher.renderer.changed(super_resolution=False)
    triplane = no_grad(lambda: teacher.synthesize(scene.ws))()
    return {
        "baseline": Contender(
            plain(
                lambda: baseline.feature_image(teacher, triplane.planes, scene.camera, scene.jitter)
            )
        ),
        **both_kernels(
            no_grad(lambda: renderer(triplane, scene.camera, scene.ws, scene.jitter)),
            counts_flop=True,
        ),
    }


def batch(scale: str) -> dict[str, Contender]:
    """One image, and four at once."""
    return {
        f"{kernels}, batch {size}": Contender(
            with_kernels(kernels, lambda size=size: Scene(scale, size).image())
        )
        for kernels in KERNELS
        for size in (1, 4)
    }


def plain(function: Callable[[], object]) -> Work:
    """A work of a function whose result doesn't matter."""

    def work() -> None:
        function()

    return work


def no_grad(function: Callable[[], Any]) -> Callable[[], Any]:
    """The function without gradients."""
    return torch.no_grad()(function)
