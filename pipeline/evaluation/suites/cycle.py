"""Cycle consistency: an image is lifted, rendered from the side, lifted again, and rendered at the
input's camera.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.captures.camera_fit import moved
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.metrics.image_metrics import psnr
from pipeline.evaluation.metrics.view_metrics import BEST_PSNR
from pipeline.evaluation.resizing import resized
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera


@dataclass(frozen=True)
class Cycle:
    """PSNR in dB of the second lift's rendering at the input's camera.

    Attributes:
        own: against the first lift's rendering. NaN if that is empty: an empty lift would be
            perfectly consistent.
        photograph: against the input.
    """

    own: float = math.nan
    photograph: float = math.nan


@torch.no_grad()
def cycle_of(
    method: MethodEntry,
    portrait: LiftedPortrait,
    camera: Camera,
    photograph: Float[Tensor, "1 3 side side"],
    *,
    side_yaw_deg: int | float,
) -> Cycle:
    """Goes round once.

    Args:
        method: that lifted the photograph.
        portrait: its first lift.
        camera: of the photograph.
        photograph: at the size that is drawn.
        side_yaw_deg: how far the second picture is turned away, towards the front.
    """
    turn = math.radians(side_yaw_deg) * (-1 if bool(camera.cam_to_world[0, 0, 3] > 0) else 1)
    aside = moved(camera, torch.tensor([0.0, turn, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64))
    seen = portrait.render(aside).image.clamp(-1, 1)
    second = method.lift(resized(seen, method.image_size or seen.shape[-1]))
    again, first = (lift.render(camera) for lift in (second, portrait))
    drawn, wanted = (rendering.image.clamp(-1, 1).float().cpu() for rendering in (again, first))
    own, of_photograph = (
        psnr(drawn, picture).clamp(max=BEST_PSNR).item() for picture in (wanted, photograph)
    )
    return Cycle(own if bool(first.opacity.amax() > 0.5) else math.nan, of_photograph)
