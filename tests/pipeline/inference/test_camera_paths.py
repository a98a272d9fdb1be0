"""Cameras for looking around stand where the teacher's own cameras stood."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pipeline.inference.camera_paths import FilmPath, orbit_of, turntable
from teachers.toy import ToyTeacher

PASSPORT = ToyTeacher().passport


def test_the_frontal_camera_is_at_the_teacher_s_distance_with_its_focal_length():
    camera = orbit_of(PASSPORT, [0.0], [0.0])
    torch.testing.assert_close(
        camera.cam_to_world[0, :3, 3], torch.tensor([0.0, 0.0, PASSPORT.camera_radius])
    )
    assert camera.intrinsics[0, 0, 0] == pytest.approx(PASSPORT.focal)


def test_a_turntable_is_one_closed_round_within_its_angles():
    positions = turntable(PASSPORT, frames=40, yaw_deg=30, pitch_deg=12).cam_to_world[:, :3, 3]
    yaw = torch.atan2(positions[:, 0], positions[:, 2]).rad2deg()
    pitch = (positions[:, 1] / PASSPORT.camera_radius).asin().rad2deg()
    assert yaw.max() == pytest.approx(30, abs=0.01) and yaw.min() == pytest.approx(-30, abs=0.01)
    assert pitch.max() == pytest.approx(12, abs=0.01) and pitch.min() == pytest.approx(
        -12, abs=0.01
    )
    steps = (positions - positions.roll(1, 0)).norm(dim=1)
    assert steps[0] == pytest.approx(float(steps[20]), rel=1e-3), (
        "the step back to the start is one like the others"
    )
    assert steps.max() < 2 * math.pi * PASSPORT.camera_radius * math.radians(30) / 40 * 1.01


def test_a_teacher_of_whole_heads_is_seen_from_all_round_unless_an_angle_is_given():
    whole = dataclasses.replace(PASSPORT, full_circle=True)
    positions = turntable(whole, frames=8, pitch_deg=0).cam_to_world[:, :3, 3]
    yaw = torch.atan2(positions[:, 0], positions[:, 2]).rad2deg() % 360
    torch.testing.assert_close(yaw, torch.arange(8) * 45.0, atol=0.01, rtol=0)
    asked = turntable(whole, frames=8, yaw_deg=20).cam_to_world
    torch.testing.assert_close(asked, turntable(PASSPORT, frames=8, yaw_deg=20).cam_to_world)


def test_no_frames_and_the_pole_are_refused():
    with pytest.raises(ValueError, match="0 frames"):
        turntable(PASSPORT, frames=0)
    with pytest.raises(ValueError, match="pole"):
        turntable(PASSPORT, pitch_deg=90)


SECONDS = np.arange(100) / 25
TURNING = np.stack([0.4 * np.sin(2 * np.pi * SECONDS), 0 * SECONDS + 0.1, 0 * SECONDS], 1)
"""A head that turns once a second about an angle at which it is always held."""


def yaw_and_pitch(camera) -> np.ndarray:
    x, y, z = camera.cam_to_world[:, :3, 3].double().numpy().T
    return np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], 1)


def test_a_camera_that_stands_sees_the_head_turn_and_one_that_counters_sees_it_still():
    stands = FilmPath(kind="fixed", yaw_deg=10).cameras(PASSPORT, SECONDS, TURNING)
    moved = TURNING[:, :2] + np.radians([10, 0])
    assert yaw_and_pitch(stands) == pytest.approx(moved, abs=1e-5)
    counters = FilmPath(kind="counter", pitch_deg=5).cameras(PASSPORT, SECONDS, TURNING)
    still = np.tile(np.radians([0, 5]), (100, 1))
    assert yaw_and_pitch(counters) == pytest.approx(still, abs=1e-5)


def test_following_leaves_quick_turns_and_takes_away_slow_ones():
    followed = FilmPath(kind="follow").cameras(PASSPORT, SECONDS, TURNING)
    yaw, pitch = yaw_and_pitch(followed)[25:-25].T
    assert np.abs(pitch).max() < 0.01 and np.ptp(yaw) > 0.7 * np.ptp(TURNING[:, 0])


def test_the_orbit_of_a_film_goes_round_in_its_time_whatever_the_frame_rate():
    uneven = np.array([3.0, 3.5, 4.0, 7.0])
    path = FilmPath(kind="orbit", sway_yaw_deg=30, sway_pitch_deg=0, round_seconds=4)
    yaw = yaw_and_pitch(path.cameras(PASSPORT, uneven, np.full((4, 3), np.nan)))[:, 0]
    assert np.degrees(yaw) == pytest.approx([0, 30 * math.sin(math.pi / 4), 30, 0], abs=0.01)


def test_without_angles_a_camera_in_the_room_is_impossible():
    with pytest.raises(ValueError, match=r"counter or orbit"):
        FilmPath(kind="follow").cameras(PASSPORT, SECONDS, np.full((100, 3), np.nan))
    with pytest.raises(ValueError, match="give fixed, follow"):
        FilmPath(kind="spin")
