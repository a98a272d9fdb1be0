import math

import pytest
import torch

from pipeline.evaluation.captures.similarity import Similarity
from teachers.rendering.camera import Camera

TURN = math.radians(30)
ABOUT_Y = torch.tensor(
    [[math.cos(TURN), 0, math.sin(TURN)], [0, 1, 0], [-math.sin(TURN), 0, math.cos(TURN)]],
    dtype=torch.float64,
)
KNOWN = Similarity(2.5, ABOUT_Y, torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))


def test_a_known_transform_is_recovered_from_points():
    points = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = Similarity.between(points, KNOWN(points))
    assert found.scale == pytest.approx(2.5) and torch.allclose(found.rotation, ABOUT_Y)
    assert torch.allclose(found.translation, KNOWN.translation)
    assert found.angle_deg == pytest.approx(30)


def test_a_similarity_is_never_a_reflection():
    points = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = Similarity.between(points, points * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.linalg.det(found.rotation) == pytest.approx(1)


def test_without_scale_lengths_stay():
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    assert Similarity.between(points, 3 * points, has_scale=False).scale == 1


def test_there_and_back_is_nothing():
    around = KNOWN.then(KNOWN.inverse())
    assert around.scale == pytest.approx(1) and around.angle_deg == pytest.approx(0, abs=1e-5)
    assert around.translation.abs().max() < 1e-9


def test_a_moved_camera_sees_the_moved_world_as_before_but_further():
    camera = Camera.orbit(torch.tensor([0.3]), torch.tensor([0.1]))
    points = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(1)) * 0.3
    seen, distances = camera.project(points)
    moved, further = KNOWN.camera(camera).project(KNOWN(points))
    assert torch.allclose(seen, moved, atol=1e-5) and torch.allclose(
        distances * 2.5, further, atol=1e-4
    )


@pytest.mark.parametrize("points", [torch.zeros(2, 3), torch.ones(5, 3)])
def test_too_little_to_align_is_refused(points):
    with pytest.raises(ValueError, match=r"at least 3 pairs|coincide"):
        Similarity.between(points, points)
