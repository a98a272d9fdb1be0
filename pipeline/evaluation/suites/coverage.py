"""Camera coverage: which input cameras of a suite lie outside the training's, and the overrides for
a training that would cover them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.tables import table
from pipeline.sampling.cameras import CameraPrior, OrbitPrior
from pipeline.sampling.distributions import Normal, Uniform
from teachers.rendering.camera import Camera

DRAWN = 1000
"""Number of cameras drawn from the prior to estimate its ranges."""

INSIDE = (0.005, 0.995)
"""Quantiles of the prior between which a camera counts as covered."""


@dataclass(frozen=True)
class Quantity:
    """One number of a camera.

    Attributes:
        name: in the table.
        unit: of the numbers.
        distribution: key of `CameraPrior.distributions`.
        setting: name of its argument.
        slack: differences that are ignored.
    """

    name: str
    unit: str
    distribution: str
    setting: str
    slack: float


QUANTITIES = (
    Quantity("yaw", "°", "yaw", "yaw_deg", 0.5),
    Quantity("pitch", "°", "pitch", "pitch_deg", 0.5),
    Quantity("roll", "°", "roll", "roll_deg", 0.2),
    Quantity("radius", "units", "radius", "radius", 0.005),
    Quantity("diagonal field of view", "°", "fov", "fov_diagonal_deg", 0.05),
    Quantity("centre x", "widths", "principal_x", "principal_point", 0.002),
    Quantity("centre y", "widths", "principal_y", "principal_point", 0.002),
)


def numbers_of(camera: Camera) -> Float[Tensor, "camera quantity"]:
    """The `QUANTITIES` of each camera. Pitch is the elevation; roll is relative to an upright
    camera of the same viewing direction.
    """
    pose, intrinsics = camera.cam_to_world.double(), camera.intrinsics.double()
    position, right, forward = pose[:, :3, 3], pose[:, :3, 0], pose[:, :3, 2]
    radius = position.norm(dim=-1)
    level = torch.linalg.cross(
        forward, torch.tensor([0.0, 1.0, 0.0]).to(forward).expand_as(forward)
    )
    level = torch.nn.functional.normalize(level, dim=-1)
    down = torch.linalg.cross(forward, level)
    roll = torch.atan2(-(right * down).sum(-1), (right * level).sum(-1))
    fov = 2 * torch.atan(1 / (intrinsics[:, 0, 0] * math.sqrt(2)))
    yaw, pitch = (
        torch.atan2(position[:, 0], position[:, 2]),
        torch.asin((position[:, 1] / radius).clamp(-1, 1)),
    )
    columns = [
        yaw.rad2deg(),
        pitch.rad2deg(),
        roll.rad2deg(),
        radius,
        fov.rad2deg(),
        intrinsics[:, 0, 2],
        intrinsics[:, 1, 2],
    ]
    return torch.stack(columns, -1)


def coverage_table(cameras: Camera, prior: CameraPrior, *, without: int = 0) -> dict[str, Any]:
    """Ranges of the input cameras beside the prior's, the share outside, and Hydra overrides that
    would cover it.

    Args:
        cameras: of the inputs whose camera is known or estimated.
        prior: of the student's training inputs.
        without: number of inputs without a camera.
    """
    seen = numbers_of(cameras).numpy()
    trained = numbers_of(prior.draw(0, range(DRAWN), "coverage")).numpy()
    rows: list[list[Any]] = []
    proposals: list[str] = []
    uncovered = np.zeros(len(seen), bool)
    for column, quantity in enumerate(QUANTITIES):
        low, high = np.quantile(trained[:, column], INSIDE)
        below, above = (
            seen[:, column] < low - quantity.slack,
            seen[:, column] > high + quantity.slack,
        )
        uncovered |= below | above
        values = (
            np.quantile(seen[:, column], [0.0, 0.5, 1.0]) if len(seen) else np.full(3, math.nan)
        )
        rows.append(
            [
                f"{quantity.name}, {quantity.unit}",
                *map(float, (*values, low, high)),
                float((below | above).mean()) if len(seen) else None,
            ]
        )
        if (below | above).any():
            proposals += _overrides(prior, quantity, float(values[0]), float(values[2]))
    rows.append(
        [
            "any of these",
            None,
            None,
            None,
            None,
            None,
            float(uncovered.mean()) if len(seen) else None,
        ]
    )
    columns = [
        "quantity",
        "least",
        "median",
        "most",
        "trained from",
        "trained to",
        "share uncovered",
    ]
    return table(
        f"camera coverage, {len(seen)} photographs", columns, rows, _notes(rows, proposals, without)
    )


def _notes(rows: Sequence[Sequence[Any]], proposals: Sequence[str], without: int) -> list[str]:
    named = [f"{row[0].split(',')[0]} ({row[6]:.0%})" for row in rows[:-1] if row[6]]
    covered = "all cameras lie within the training's (99 % of each quantity)"
    if rows[-1][6] is None:
        covered = "no photograph has a known camera: landmarks would give one"
    notes = [f"uncovered: {', '.join(named)}" if named else covered]
    if proposals:
        notes.append("to cover them, distil with: " + " ".join(dict.fromkeys(proposals)))
    if without:
        notes.append(f"{without} photographs without a known camera are not in this table")
    return notes


def _overrides(prior: CameraPrior, quantity: Quantity, least: float, most: float) -> list[str]:
    """Hydra overrides of the group `cameras` after which the distribution reaches from `least` to
    `most`; none for a prior of another kind.
    """
    if not isinstance(prior, OrbitPrior):
        return []
    address, distribution = (
        f"cameras.reference.{quantity.setting}",
        prior.distributions[quantity.distribution],
    )
    if quantity.distribution == "pitch" and prior.pitch_distribution == "eg3d_sampler_offset":
        least, most = (90 * math.sin(math.radians(value)) for value in (least, most))
    margin = 0.02 * (most - least) + quantity.slack
    least, most = least - margin, most + margin
    if isinstance(distribution, Uniform):
        sides = [
            (f"{address}.low", _outward(least, math.floor), least < distribution.low),
            (f"{address}.high", _outward(most, math.ceil), most > distribution.high),
        ]
        return [f"{name}={value}" for name, value, is_needed in sides if is_needed]
    if isinstance(distribution, Normal):
        reach = max(distribution.mean - least, most - distribution.mean)
        return [f"{address}.deviation={_outward(reach / min(distribution.limit, 2.0), math.ceil)}"]
    limits = f"low:{_outward(least, math.floor)},high:{_outward(most, math.ceil)}"
    return [f"++{address}={{_target_:pipeline.sampling.distributions.Uniform,{limits}}}"]


def _outward(value: float, rounding: Callable[[float], int]) -> str:
    """Three digits, rounded outwards; always with a decimal point."""
    factor = 10.0 ** (2 - math.floor(math.log10(abs(value)))) if value else 10.0
    return repr(rounding(value * factor) / factor)
