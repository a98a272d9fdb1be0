"""Camera angles in degrees, and bins of yaw gaps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

SAME_CAMERA = 1e-3
"""Largest difference in any number of two labels of the same camera."""

LEAST_GAP_DEG = 1e-5
"""Of another camera: the smallest gap that score lines, which are rounded, tell from 0."""


def yaw_deg(camera: Camera) -> Float[Tensor, " view"]:
    """Yaw of the camera positions; 0 is frontal, positive towards +x."""
    position = camera.cam_to_world[:, :3, 3]
    return position[:, 0].atan2(position[:, 2]).rad2deg()


def pitch_deg(camera: Camera) -> Float[Tensor, " view"]:
    """Elevation of the camera positions."""
    position = camera.cam_to_world[:, :3, 3]
    return (position[:, 1] / position.norm(dim=-1)).asin().rad2deg()


def yaw_gap_deg(given: Camera, targets: Camera) -> Float[Tensor, " view"]:
    """Difference in yaw between each target and the camera of the input, in [0, 180].

    A gap of 0 says that the target is the input's own camera, which headline means leave out.
    Another camera of the same yaw (above or below the input's) has at least `LEAST_GAP_DEG`.
    """
    gap = (yaw_deg(targets) - yaw_deg(given)).abs()
    gap = gap.minimum(360 - gap)
    is_other = ((targets.label() - given.label()).abs() > SAME_CAMERA).any(-1)
    return torch.where(is_other, gap.clamp(min=LEAST_GAP_DEG), gap)


@dataclass(frozen=True)
class GapBin:
    """Views whose yaw gap lies in (low, high] degrees; low = high = 0 is the input's own view."""

    low: float | int
    high: float | int

    def __contains__(self, gap: float | None) -> bool:
        if gap is None:
            return False
        return gap == 0 if self.high == 0 else self.low < gap <= self.high

    @property
    def title(self) -> str:
        """For tables."""
        if self.high == 0:
            return "same view"
        return f"> {self.low:g}°" if math.isinf(self.high) else f"{self.low:g}–{self.high:g}°"


def gap_bins(edges: Sequence[float | int]) -> list[GapBin]:
    """The input's own view, the bins between the edges, and everything beyond the last edge."""
    inner = [GapBin(low, high) for low, high in pairwise(edges)]
    return [GapBin(0.0, 0.0), *inner, GapBin(edges[-1], math.inf)]
