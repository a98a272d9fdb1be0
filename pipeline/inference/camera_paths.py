"""Cameras for looking at a lifted identity: single angles and a turntable."""

import math
from collections.abc import Sequence

import torch

from teachers.passport import Passport
from teachers.rendering.camera import Camera

USUAL_YAW_DEG = 35.0
"""Half the swing of a turntable about a face."""


def orbit_of(passport: Passport, yaw: Sequence[float], pitch: Sequence[float]) -> Camera:
    """Cameras at the distance, look-at point and focal length of a teacher's training cameras;
    angles in radians.
    """
    return passport.orbit(
        torch.tensor(yaw, dtype=torch.float32), torch.tensor(pitch, dtype=torch.float32)
    )


def turntable(
    passport: Passport,
    *,
    frames: int = 48,
    yaw_deg: int | float | None = None,
    pitch_deg: int | float = 10.0,
) -> Camera:
    """One round of an ellipse about the frontal view: a film of it can be looped without a seam.

    Of a teacher that knows heads from all round it goes once about the whole head, unless an angle
    is given.

    Args:
        passport: whose camera it is.
        frames: cameras of the round.
        yaw_deg, pitch_deg: the ellipse's half axes, degrees; no yaw: 35, or the full circle.

    Raises:
        ValueError: no frame, or a pitch that reaches the pole.
    """
    if frames < 1:
        raise ValueError(f"a turntable of {frames} frames shows nothing: give at least 1")
    if not abs(pitch_deg) < 90:
        raise ValueError(f"a pitch of {pitch_deg}° is at or beyond the pole: give less than 90")
    phases = [2 * math.pi * frame / frames for frame in range(frames)]
    if yaw_deg is None and passport.full_circle:
        yaws = phases
    else:
        widest = math.radians(USUAL_YAW_DEG if yaw_deg is None else yaw_deg)
        yaws = [widest * math.sin(phase) for phase in phases]
    return orbit_of(
        passport,
        yaws,
        [math.radians(pitch_deg) * math.cos(phase) for phase in phases],
    )
