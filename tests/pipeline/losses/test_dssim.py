"""DSSIM against closed forms: flat pictures, inverted pictures, and the pairs that are compared."""

import pytest
import torch

from pipeline.losses.dssim import DSSIMLoss
from teachers.rendering.rendering import Rendering


def flat(value: float) -> torch.Tensor:
    return torch.full((2, 3, 32, 32), value)


def rendering(image: torch.Tensor, raw: torch.Tensor) -> Rendering:
    return Rendering(image, raw, raw, raw[:, :1], raw[:, :1])


@pytest.mark.parametrize("one, other", [(0.0, 0.0), (-0.5, 0.5), (-1.0, 1.0)])
def test_of_flat_pictures_only_the_luminance_counts(one, other):
    a, b, c = (one + 1) / 2, (other + 1) / 2, 0.01**2
    expected = (1 - (2 * a * b + c) / (a * a + b * b + c)) / 2
    # loose, since in single precision the variance of a flat picture isn't quite zero
    assert DSSIMLoss().compare(flat(one), flat(other)).item() == pytest.approx(expected, abs=2e-4)


def test_a_picture_and_its_negative_are_as_unlike_as_can_be():
    stripes = torch.ones(1, 3, 32, 32)
    stripes[..., ::2] = -1
    assert DSSIMLoss().compare(stripes, -stripes).item() > 0.99


def test_blur_costs_more_than_a_shift_in_brightness():
    torch.manual_seed(0)
    target = torch.rand(2, 3, 32, 32) - 0.5
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1, count_include_pad=False)
    offset = (blurred - target).square().mean().sqrt()  # the same squared error
    assert DSSIMLoss().compare(blurred, target) > 3 * DSSIMLoss().compare(target + offset, target)


def test_the_raw_pair_counts_where_it_is_another_picture():
    off, on = flat(-0.5), flat(0.5)
    single = DSSIMLoss().compare(off, on).item()
    loss = DSSIMLoss(raw_weight=0.25)
    assert loss(rendering(off, off), rendering(on, on)).item() == pytest.approx(single)
    assert loss(rendering(off, off.clone()), rendering(on, on)).item() == pytest.approx(
        1.25 * single
    )
    assert DSSIMLoss(raw_weight=0)(rendering(on, off), rendering(on, on)).item() == pytest.approx(
        0, abs=1e-4
    )


def test_its_gradient_leads_to_the_target():
    torch.manual_seed(0)
    target = torch.rand(1, 3, 16, 16) * 2 - 1
    picture = torch.zeros(1, 3, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([picture], 0.1)
    for _ in range(40):
        optimizer.zero_grad()
        loss = DSSIMLoss()(rendering(picture, picture), rendering(target, target))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 and (picture - target).abs().mean() < 0.15


@pytest.mark.parametrize("window", [1, 10])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(ValueError, match=f"{window} pixels wide: expected an odd number"):
        DSSIMLoss(window=window)
