"""The camera of a picture from its landmarks, through a detector that knows where they are."""

import math

import numpy as np
import pytest
import torch

from pipeline.evaluation.metrics.landmark_pose import LandmarkPose
from pipeline.evaluation.metrics.pose_metric import rotation_angle
from pipeline.portraits import mean_face
from pipeline.portraits.face import DetectedFace
from teachers.rendering.camera import Camera

SIDE = 64


class Knowing:
    """Projects the mean face into the picture of a camera."""

    name = "knowing"

    def __init__(self, camera: Camera | None) -> None:
        self.camera = camera

    def detect(self, picture) -> list[DetectedFace]:
        if self.camera is None:
            return []
        points = torch.from_numpy(np.asarray(mean_face.WORLD)).float()[None]
        smaller = DetectedFace(0, 0, 2, 2, np.full((5, 2), 1.0))
        return [
            smaller,
            DetectedFace.around(self.camera.project(points)[0][0].double().numpy() * SIDE),
        ]


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.4, 0.1), (-0.7, -0.2)])
def test_the_camera_that_took_the_mean_face_is_found(yaw, pitch):
    camera = Camera.orbit(torch.tensor([yaw]), torch.tensor([pitch]))
    found = LandmarkPose(detector=Knowing(camera))(torch.zeros(3, SIDE, SIDE))
    assert found is not None and rotation_angle(found, camera) < 0.05
    frontal = Camera.orbit(torch.zeros(1), torch.zeros(1))
    cosine = (
        math.cos(yaw) + math.cos(pitch) + math.cos(yaw) * math.cos(pitch) - 1
    ) / 2  # of a turn about y after one about x
    assert rotation_angle(found, frontal) == pytest.approx(math.degrees(math.acos(cosine)), abs=0.1)


def test_no_face_is_no_camera():
    assert LandmarkPose(detector=Knowing(None))(torch.zeros(3, SIDE, SIDE)) is None
