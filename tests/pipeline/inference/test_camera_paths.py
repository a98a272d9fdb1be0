"""Cameras for looking around stand where the teacher's own cameras stood."""

import dataclasses
import math

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of, turntable
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
