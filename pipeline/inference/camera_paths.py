"""Cameras for looking at a lifted identity: single angles, a turntable, the paths of films."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from pipeline.portraits.one_euro import OneEuro, smoothed
from teachers.passport import Passport
from teachers.rendering.camera import Camera

USUAL_YAW_DEG = 35.0
"""Half the swing of a turntable about a face."""

SLOW = OneEuro(cutoff_hz=0.25, beta=0.0)
"""What `follow` follows: turns that take longer than a second or two."""

STEEPEST = math.radians(80)
"""Cameras of films go no nearer to the pole."""


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


@dataclass(frozen=True, kw_only=True)
class FilmPath:
    """From where the heads of a film are looked at.

    Attributes:
        kind: `fixed`: the camera stands in the room, and the head turns as in the film; `follow`:
            likewise, but it goes along with slow turns; `counter`: it makes each of the head's
            motions, so that the head stays and only the face moves; `orbit`: as `counter`, on an
            ellipse about the head.
        yaw_deg, pitch_deg: are added to the path: from where else one looks, degrees.
        sway_yaw_deg, sway_pitch_deg: half axes of the ellipse of `orbit`, degrees.
        round_seconds: time of one round of it.

    Raises:
        ValueError: another kind, a round without length, or a pitch at the pole.
    """

    kind: str = "orbit"
    yaw_deg: float | int = 0.0
    pitch_deg: float | int = 0.0
    sway_yaw_deg: float | int = 35.0
    sway_pitch_deg: float | int = 10.0
    round_seconds: float | int = 4.0

    def __post_init__(self) -> None:
        if self.kind not in ("fixed", "follow", "counter", "orbit"):
            raise ValueError(
                f"the film's camera is {self.kind!r}: give fixed, follow, counter or orbit"
            )
        if not self.round_seconds > 0 or not abs(self.pitch_deg) + abs(self.sway_pitch_deg) < 90:
            raise ValueError(
                f"a round of {self.round_seconds} s, pitch {self.pitch_deg}° ±"
                f" {self.sway_pitch_deg}°: give a positive time, and less than 90° in all"
            )

    @property
    def needs_angles(self) -> bool:
        """Whether it is made of the head's angles."""
        return self.kind in ("fixed", "follow")

    def cameras(
        self,
        passport: Passport,
        seconds: Float[np.ndarray, " frame"],
        angles: Float[np.ndarray, "frame 3"],
    ) -> Camera:
        """One camera for each frame.

        Args:
            passport: whose distance, pivot and focal length they have.
            seconds: times of the frames.
            angles: yaw, pitch and roll of the head in the picture, radians; NaN: unknown.

        Raises:
            ValueError: `fixed` or `follow` without angles.
        """
        path = np.zeros((len(seconds), 3))
        if self.needs_angles:
            if np.isnan(angles).any():
                raise ValueError(
                    f"the camera {self.kind} needs the head's angles, and these portraits= find no"
                    " landmarks: use facemesh or landmarks, or film.camera.kind=counter or orbit"
                )
            path = angles - (smoothed(angles, seconds, SLOW) if self.kind == "follow" else 0)
        if self.kind == "orbit":
            phase = 2 * np.pi * (seconds - seconds[0]) / self.round_seconds
            path[:, 0] = math.radians(self.sway_yaw_deg) * np.sin(phase)
            path[:, 1] = math.radians(self.sway_pitch_deg) * np.cos(phase)
        path = path + np.radians([self.yaw_deg, self.pitch_deg, 0.0])
        path[:, 1] = path[:, 1].clip(-STEEPEST, STEEPEST)
        yaw, pitch, roll = torch.from_numpy(path.astype(np.float32)).T
        return Camera.orbit(
            yaw,
            pitch,
            roll=roll,
            radius=passport.camera_radius,
            pivot=passport.camera_pivot,
            focal=passport.focal,
        )
