"""Splats fitted to the field's own pictures: their colours, opacities, sizes and depths.

A mesh tells where a surface is, not what dozens of discs behind one another add up to: a
silhouette grows by their tails, more so in small pictures. Pictures of several sizes keep a fit
from being that of one size alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from pipeline.inference.background import background_of
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer

from .splat_drawing import draw_discs
from .splats import Splats

SIZES = (128, 256, 512)
"""Sides of the pictures, in turn."""

ANGLES = tuple(zip(range(-40, 41, 10), (0, 12, -12, 0, 12, -12, 0, 12, -12), strict=True))
"""Yaw and pitch of the views, degrees."""

LARGE, VIEWS_OF_LARGE = 300, 3
"""Of pictures larger than this every third view is drawn only: they take most of the time."""

RATES = {"depth": 0.03, "radius": 0.02, "thickness": 0.02, "opacity": 0.05, "colors": 0.01}
"""Adam's learning rates: spacings, logarithms, logits, sRGB."""

SIZES_WITHIN = 3.0
"""By so many times a disc may grow or shrink."""

DEPTHS_WITHIN = 2.0
"""Spacings by which it may move along its normal."""


@dataclass(frozen=True)
class View:
    """A picture of the field.

    Attributes:
        camera: one.
        image: [0, 1], over the teacher's background.
        opacity: of the field.
    """

    camera: Camera
    image: Float[Tensor, "size size 3"]
    opacity: Float[Tensor, "size size"]


def refined(
    splats: Splats,
    portrait: LiftedPortrait,
    *,
    spacing: float,
    steps: int,
    sizes: Sequence[int] = SIZES,
    angles: Sequence[tuple[int, int]] = ANGLES,
) -> Splats:
    """Splats whose pictures are nearer to the field's, by Adam on the squared difference of colours
    and opacities.

    Args:
        splats: where it starts.
        portrait: the field.
        spacing: of the grid that the splats come from, world units.
        steps: each with one view of one size.
        sizes: sides of the pictures.
        angles: yaw and pitch of each view, degrees.
    """
    views = [_views(portrait, size, angles) for size in sizes]
    background = background_of(portrait.passport)
    base, normals = torch.from_numpy(splats.centers), torch.from_numpy(splats.normals)
    start = {
        "depth": torch.zeros(len(base)),
        "radius": torch.from_numpy(splats.radius).log(),
        "thickness": torch.from_numpy(splats.thickness).log(),
        "opacity": torch.from_numpy(splats.opacity).logit(),
        "colors": torch.from_numpy(splats.colors),
    }
    moved = {name: value.clone().requires_grad_() for name, value in start.items()}

    def discs() -> dict[str, Tensor]:
        return {
            "centers": base - spacing * moved["depth"][:, None] * normals,
            "normals": normals,
            "radius": moved["radius"].exp(),
            "thickness": moved["thickness"].exp(),
            "opacity": moved["opacity"].sigmoid(),
            "colors": moved["colors"],
        }

    adam = torch.optim.Adam(
        [{"params": [value], "lr": RATES[name]} for name, value in moved.items()], betas=(0.9, 0.99)
    )
    with torch.enable_grad():
        for step in tqdm(range(steps), desc="splats", unit="step", leave=False, mininterval=0.5):
            of_size = views[step % len(views)]
            # 5 and the number of views have no factor in common: neighbours come far apart
            view = of_size[step // len(views) * 5 % len(of_size)]
            picture, through = draw_discs(discs(), view.camera, len(view.image))
            shown = picture + background * through[..., None]
            loss = ((shown - view.image) ** 2).mean()
            loss = loss + ((1 - through - view.opacity) ** 2).mean()
            adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            _limit(moved, start)
    found: dict[str, Any] = {name: value.detach().numpy() for name, value in discs().items()}
    return replace(splats, **found)


@torch.no_grad()
def _limit(moved: dict[str, Tensor], start: dict[str, Tensor]) -> None:
    moved["colors"].clamp_(0, 1)
    moved["depth"].clamp_(-DEPTHS_WITHIN, DEPTHS_WITHIN)
    within = float(np.log(SIZES_WITHIN))
    for name in ("radius", "thickness"):
        torch.clamp(moved[name], start[name] - within, start[name] + within, out=moved[name])


@torch.no_grad()
def _views(portrait: LiftedPortrait, size: int, angles: Sequence[tuple[int, int]]) -> list[View]:
    renderer = portrait.lifter.renderer
    assert isinstance(renderer, TriplaneRenderer)  # or there were no field
    renderer = renderer.changed(resolution=size, super_resolution=False)
    found = []
    for yaw, pitch in angles[:: VIEWS_OF_LARGE if size > LARGE else 1]:
        camera = portrait.orbit(yaw_deg=yaw, pitch_deg=pitch)
        drawn = renderer(portrait.triplane, camera.to(portrait.triplane.planes))
        image = (drawn.image_raw[0].float().cpu() + 1) / 2
        opacity = drawn.opacity[0, 0].float().cpu()
        found.append(View(camera, image.clamp(0, 1).movedim(0, 2).contiguous(), opacity))
    return found
