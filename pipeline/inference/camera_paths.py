"""Cameras for looking at a lifted identity: single angles and a turntable."""

import math
from collections.abc import Sequence

import torch

from teachers.passport import Passport
from teachers.rendering.camera import Camera


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
    yaw_deg: int | float = 35.0,
    pitch_deg: int | float = 10.0,
) -> Camera:
    """One round of an ellipse about the frontal view: a film of it can be looped without a seam.

    Args:
        passport: whose camera it is.
        frames: cameras of the round.
        yaw_deg, pitch_deg: the ellipse's half axes, degrees.

    Raises:
        ValueError: no frame, or a pitch that reaches the pole.
    """
    if frames < 1:
        raise ValueError(f"a turntable of {frames} frames shows nothing: give at least 1")
    if not abs(pitch_deg) < 90:
        raise ValueError(f"a pitch of {pitch_deg}° is at or beyond the pole: give less than 90")
    phases = [2 * math.pi * frame / frames for frame in range(frames)]
    return orbit_of(
        passport,
        [math.radians(yaw_deg) * math.sin(phase) for phase in phases],
        [math.radians(pitch_deg) * math.cos(phase) for phase in phases],
    )
