"""The head draws three planes in the teacher's own range."""

import pytest
import torch

from students.plane_head import PlaneHead


def head(resolution: int = 8) -> PlaneHead:
    torch.manual_seed(0)
    return PlaneHead(
        in_channels=6, skip_channels=4, widths=(8,), plane_channels=5, plane_resolution=resolution
    )


def test_a_channel_s_statistics_are_applied_to_that_channel_of_that_plane():
    network, fused, canonical = head(), torch.randn(1, 6, 8, 8), torch.randn(1, 4, 4, 4)
    before = network(fused, canonical)
    mean, scale = torch.zeros(15), torch.ones(15)
    mean[5 + 2], scale[10 + 4] = 7.0, 3.0
    network.calibrate(mean, scale)
    difference = network(fused, canonical) - before
    torch.testing.assert_close(difference[0, 1, 2], torch.full((8, 8), 7.0))
    torch.testing.assert_close(difference[0, 2, 4], 2 * before[0, 2, 4])
    difference[0, 1, 2] = difference[0, 2, 4] = 0
    assert difference.abs().max() == 0


def test_statistics_travel_with_the_state_dict():
    calibrated, other = head(), head()
    calibrated.calibrate(torch.arange(15.0), torch.arange(1.0, 16.0))
    other.load_state_dict(calibrated.state_dict())
    assert torch.equal(other.plane_mean, torch.arange(15.0)) and torch.equal(
        other.plane_scale, torch.arange(1.0, 16.0)
    )


def test_statistics_of_another_teacher_are_refused():
    with pytest.raises(ValueError, match="15 channels"):
        head().calibrate(torch.zeros(12), torch.ones(12))
    with pytest.raises(ValueError, match="positive"):
        head().calibrate(torch.zeros(15), torch.zeros(15))


@pytest.mark.parametrize("resolution", [4, 8, 20])
def test_planes_have_the_teacher_s_resolution(resolution):
    assert head(resolution)(torch.randn(2, 6, 8, 8), torch.randn(2, 4, 8, 8)).shape == (
        2,
        3,
        5,
        resolution,
        resolution,
    )
