"""Doubling and halving, against zeros in between and the filter itself."""

import pytest
import torch
from torch.nn import functional as F

from teachers.stylegan.resampling import downsample, low_pass, upsample

KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def filtered(
    x: torch.Tensor, padding: tuple[int, int, int, int], gain: float = 1.0
) -> torch.Tensor:
    channels = x.shape[1]
    return F.conv2d(F.pad(x, padding), (KERNEL * gain).expand(channels, 1, 4, 4), groups=channels)


def picture(side: int = 6, channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def test_the_filter_keeps_a_constant():
    assert torch.allclose(low_pass(torch.ones(1, 2, 7, 7), padding=0), torch.ones(1, 2, 4, 4))


@pytest.mark.parametrize("side", [2, 6])
def test_doubling_is_zeros_in_between_then_the_filter_with_gain_four(side):
    x = picture(side)
    stuffed = torch.zeros(2, 3, 2 * side, 2 * side)
    stuffed[:, :, ::2, ::2] = x
    assert torch.allclose(upsample(x), filtered(stuffed, (2, 1, 2, 1), gain=4.0), atol=1e-6)


def test_halving_is_the_filter_then_every_second_pixel():
    x = picture(8)
    assert torch.allclose(downsample(x), filtered(x, (1, 1, 1, 1))[:, :, ::2, ::2], atol=1e-6)


def test_halving_in_bfloat16_takes_the_other_way_to_the_same_pixels():
    x = picture(8)
    assert torch.allclose(downsample(x.bfloat16()).float(), downsample(x), atol=0.03)


def test_doubling_does_not_shift():
    """The centre of mass stays where it is in units of the image."""
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 5] = 1.0
    doubled = upsample(x)[0, 0] / 4
    centres = (torch.arange(16) + 0.5) / 16
    assert doubled.sum().item() == pytest.approx(1.0)
    assert (doubled.sum(1) @ centres).item() == pytest.approx(2.5 / 8)
    assert (doubled.sum(0) @ centres).item() == pytest.approx(5.5 / 8)
