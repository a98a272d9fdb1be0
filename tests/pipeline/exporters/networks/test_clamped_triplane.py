"""The triplane of exported networks is torch's where coordinates are finite, empty elsewhere."""

import pytest
import torch
from torch.nn import functional as F

from pipeline.exporters.networks.clamped_triplane import ClampedTriplane
from pipeline.exporters.networks.parity import odd_points
from teachers.eg3d.superresolution import shrunk
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane


@pytest.mark.parametrize("aggregation", [("mean", 0.0), ("product", 0.0), ("product", 0.1)])
@pytest.mark.parametrize("depth", [1, 3])
def test_it_samples_what_a_triplane_does_in_and_around_the_box(depth, aggregation):
    planes = torch.randn(2, 3, 4 * depth, 8, 8)
    points = torch.rand(2, 2000, 3) * 1.4 - 0.7
    expected = Triplane(planes, ORTHOGONAL_AXES, 0.8, depth, *aggregation).sample(points)
    found = ClampedTriplane(planes, ORTHOGONAL_AXES, 0.8, depth, *aggregation).sample(points)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_plane_is_empty_where_one_of_its_coordinates_is_not_finite(depth):
    planes = torch.ones(1, 3, depth, 4, 4)
    points = odd_points()
    found = ClampedTriplane(planes, ORTHOGONAL_AXES, 1.0, depth).sample(points)[0, :, 0]
    inside = points[0].abs() < 0.5
    seen = [inside[:, :2].all(1), inside[:, [0, 2]].all(1), inside[:, 1:].all(1)]
    expected = torch.stack(seen).float().mean(0) if depth == 1 else found.new_zeros(len(found))
    torch.testing.assert_close(found, expected)  # every odd point leaves a stack


@pytest.mark.parametrize("side", [64, 24, 95])
def test_shrinking_by_products_is_the_filtered_interpolation(side):
    x = torch.randn(2, 3, 96, 96)
    expected = F.interpolate(
        x, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )
    torch.testing.assert_close(shrunk(x, side), expected, rtol=0, atol=2e-6)
