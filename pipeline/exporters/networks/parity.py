"""Is an exported network what torch computes? Planes, points, views; batches; odd coordinates."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.runtimes.sessions import Session
from pipeline.lifter import Lifter
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import Rendering

from .errors import Errors, picture_errors, plane_errors, psnr
from .graphs import colored, within_reach

YAWS, PITCHES = (0.0, 0.45), (0.0, 0.15)
"""Cameras of the views, radians."""

POINTS = 4096
"""Of a decoder, for each identity."""

LEAST_PSNR = 50.0
"""dB of the worst view: half a level of 255 in every pixel is 54."""

LARGEST_ERROR = 1e-3
"""Of planes, in standard deviations; of colours; of densities and their logits in theirs. The mean
error of opacity, and of depth in boxes.
"""

LARGEST_OF_A_RAY = 0.05
"""Of opacity and depth: a single pixel differs where a ray sample falls into another bin."""


@dataclass
class Truth:
    """torch's results for some images, each computed alone.

    Attributes:
        images: of the encoder.
        planes: of each.
        views: two of each.
    """

    lifter: Lifter
    images: Float[Tensor, "batch 3 height width"]
    planes: Float[Tensor, "batch 3 channel plane_height plane_width"]
    views: list[Rendering] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    @torch.no_grad()
    def of(cls, lifter: Lifter, images: Float[Tensor, "batch 3 height width"]) -> "Truth":
        """Encodes and renders them."""
        times, planes = [], []
        for image in images.split(1):
            started = time.perf_counter()
            planes.append(lifter.encoder(image))
            times.append(time.perf_counter() - started)
        truth = cls(lifter, images, torch.cat(planes), seconds=min(times))
        truth.views = [truth.render(one) for one in planes]
        return truth

    @property
    def passport(self) -> Passport:
        """Of the teacher."""
        return self.lifter.passport

    def cameras(self) -> Camera:
        """Of the views."""
        return orbit_of(self.passport, YAWS, PITCHES)

    @torch.no_grad()
    def render(self, planes: Float[Tensor, "1 3 channel height width"]) -> Rendering:
        """The views of one identity, by torch."""
        triplane = self.passport.triplane(planes).repeat_interleave(len(YAWS))
        return self.lifter.render(triplane, self.cameras())


def encoder_parity(truth: Truth, session: Session, batches: Sequence[int]) -> dict[str, Any]:
    """Planes and the views that torch renders of them; planes in batches of several sizes."""
    found, times = [], []
    for image in truth.images.split(1):
        started = time.perf_counter()
        found.append(session(image)[0])
        times.append(time.perf_counter() - started)
    planes = [
        plane_errors(one, reference)
        for one, reference in zip(found, truth.planes.split(1), strict=True)
    ]
    views = [truth.render(one).image for one in found]
    references = [view.image for view in truth.views]
    by_batch = {}
    for batch in batches:
        rows = torch.arange(batch) % len(truth.images)
        by_batch[str(batch)] = plane_errors(session(truth.images[rows])[0], truth.planes[rows]).max
    return {
        "planes": Errors.of_all(planes).record(),
        **_views(views, references),
        "batches": by_batch,
        "seconds": min(times),
        "pictures": views,
    }


def decoder_parity(truth: Truth, session: Session, batches: Sequence[int]) -> dict[str, Any]:
    """Colours, density logits and densities at points in and around the box, and at odd ones."""
    renderer = truth.lifter.renderer
    assert isinstance(renderer, TriplaneRenderer)
    generator = torch.Generator().manual_seed(0)
    box = truth.passport.box_size
    count = len(truth.planes)
    points = (torch.rand(count, POINTS, 3, generator=generator) - 0.5) * 1.3 * box
    points = torch.cat([points, odd_points().expand(count, -1, -1)], 1)
    reachable = within_reach(points, truth.passport)
    with torch.no_grad():
        field = renderer.field(truth.passport.triplane(truth.planes))
        features, logits = field(reachable)
        colors, density = colored(renderer, features), field.density_activation(logits)

    def spread(values: Tensor) -> float:
        return 1 / max(float(values[:, :POINTS].std()), 1e-6)

    expected = {
        "colors": (colors, "of 1", 1.0),
        "logits": (logits, "standard deviations", spread(logits)),
        "density": (density, "standard deviations", spread(density)),
    }
    started = time.perf_counter()
    session(truth.planes[:1], points[:1])
    seconds = time.perf_counter() - started
    found = session(truth.planes, points)
    by_batch = {}
    for batch in batches:
        rows = torch.arange(batch) % count
        parts = zip(
            session(truth.planes[rows], points[rows, : 64 * batch]), expected.values(), strict=True
        )
        by_batch[str(batch)] = max(
            Errors.between(part, reference[rows, : 64 * batch], unit, scale).max
            for part, (reference, unit, scale) in parts
        )
    return {
        **{
            name: Errors.between(output, *expected[name]).record()
            for name, output in zip(expected, found, strict=True)
        },
        "odd_points": Errors.between(found[0][:, POINTS:], colors[:, POINTS:], "of 1").record(),
        "batches": by_batch,
        "seconds": seconds,
    }


def renderer_parity(truth: Truth, session: Session, batches: Sequence[int]) -> dict[str, Any]:
    """Views, their opacity, and depth where more than half of a ray's light is stopped."""
    cameras, views, depths, opacities, times = truth.cameras(), [], [], [], []
    boxes = 1 / truth.passport.box_size
    for planes, reference in zip(truth.planes.split(1), truth.views, strict=True):
        parts = []
        for row in range(len(cameras)):
            camera = cameras[row : row + 1]
            started = time.perf_counter()
            parts.append(session(planes, camera.cam_to_world, camera.intrinsics))
            times.append(time.perf_counter() - started)
        view, depth, opacity = (torch.cat(part) for part in zip(*parts, strict=True))
        is_seen = reference.opacity > 0.5
        views.append(view)
        seen = (depth[is_seen], reference.depth[is_seen])
        depths.append(Errors.between(*seen, "of the box", boxes))
        opacities.append(Errors.between(opacity, reference.opacity, "of 1"))
    return {
        **_views(views, [view.image for view in truth.views]),
        "depth": Errors.of_all(depths).record(),
        "opacity": Errors.of_all(opacities).record(),
        "seconds": min(times),
        "pictures": views,
    }


def odd_points() -> Float[Tensor, "1 odd 3"]:
    """Points that no camera makes and some program will ask for: not finite, or very far."""
    odd = [float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 3e9]
    rows = [[value if axis == place else 0.1 for axis in range(3)]
            for value in odd for place in range(3)]  # fmt: skip
    return torch.tensor([[*rows, *[[value] * 3 for value in odd]]])


def is_within(measured: dict[str, Any]) -> bool:
    """Whether all that was measured is within `LARGEST_ERROR`, `LARGEST_OF_A_RAY`, `LEAST_PSNR`."""
    keys = ("planes", "colors", "logits", "density")
    errors = [measured[key]["max"] for key in keys if key in measured]
    errors += list(measured.get("batches", {}).values())
    rays = [measured[key] for key in ("depth", "opacity") if key in measured]
    return (
        all(error <= LARGEST_ERROR for error in errors)
        and all(ray["mean"] <= LARGEST_ERROR and ray["max"] <= LARGEST_OF_A_RAY for ray in rays)
        and measured.get("psnr", LEAST_PSNR) >= LEAST_PSNR
    )


def _views(found: list[Tensor], references: list[Tensor]) -> dict[str, Any]:
    pairs = list(zip(found, references, strict=True))
    return {
        "psnr": min(psnr(*pair) for pair in pairs),
        "levels": Errors.of_all([picture_errors(*pair) for pair in pairs]).record(),
    }
