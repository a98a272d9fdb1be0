"""The differentiable stand-in makes about the errors of the codec, and passes gradients."""

import numpy as np
import pytest
import torch

from pipeline.streaming.codecs import CodecSettings, PlaneDecoder, PlaneEncoder
from pipeline.streaming.normalisation import Normalisation
from pipeline.streaming.stand_in import (
    ALONE,
    CHANGE,
    bits,
    coefficients,
    from_coefficients,
    quantised,
    step_size,
)
from pipeline.streaming.tiling import Grid

from .conftest import moving_planes

GRID = Grid(48, 64)
FLAT = Normalisation.affine((20.0,) * 48, (0.0,) * 48)


def levels(count: int = 1) -> torch.Tensor:
    """Of planes as smooth as a student's."""
    planes = torch.nn.functional.avg_pool2d(moving_planes(16, 64, count).flatten(1, 2), 5, 1, 2)
    return FLAT.unrounded(planes.unflatten(1, (3, 16)))


def test_the_transform_keeps_energy_and_returns():
    given = levels()
    turned = coefficients(given)
    assert torch.allclose(from_coefficients(turned), given, atol=1e-3)
    assert turned.square().sum() == pytest.approx(float(given.square().sum()), rel=1e-4)
    flat = coefficients(torch.full((1, 3, 8, 8), 5.0))
    assert flat[0, 0, 0, 0, 0, 0] == pytest.approx(5.0 * 8)
    assert flat.abs().sum() == pytest.approx(3 * 5.0 * 8, rel=1e-5)


def test_rounding_gives_multiples_of_the_step_and_the_gradient_of_no_rounding():
    values = coefficients(levels()).requires_grad_()
    step = torch.tensor([4.0])
    coded = quantised(values, step, ALONE)
    assert torch.equal(coded.detach() % 4, torch.zeros_like(coded)) and (coded == 0).any()
    assert (coded - values).abs().max() <= 4 * (1 - ALONE) + 1e-3
    coded.sum().backward()
    assert torch.equal(values.grad, torch.ones_like(values))
    assert (quantised(values, step, CHANGE) == 0).sum() > (coded == 0).sum()


def test_the_error_is_about_that_of_the_codec():
    picture = FLAT.levels(moving := FLAT.features(levels())[0])
    for quality in (10.0, 18.0):
        encoder = PlaneEncoder(GRID, CodecSettings(quality=quality, kilobits_per_second=50_000))
        packet = encoder.encode(GRID.picture(picture)).data
        decoded = GRID.levels(PlaneDecoder(GRID, "h264").decode(packet)).astype(np.float32)
        true = np.sqrt(np.square(decoded - picture).mean())
        given = coefficients(FLAT.unrounded(moving[None]))
        error = quantised(given, step_size(torch.tensor([quality])), ALONE) - given
        assert 0.7 < float(error.square().mean().sqrt()) / true < 1.4


def test_bits_grow_with_detail_and_shrink_with_the_step():
    given, step = coefficients(levels()), torch.tensor([5.0])
    assert bits(given * 0, step) == 0
    assert bits(given, step) < bits(2 * given, step) < bits(given, step) + 1
    assert bits(given, 2 * step) < bits(given, step)
    # six more of quality double the step
    assert step_size(torch.tensor([16.0])) == pytest.approx(2 * step_size(torch.tensor([10.0])))


def test_planes_of_half_blocks_are_refused():
    with pytest.raises(ValueError, match=r"12 x 12 texels have no whole blocks of 8²"):
        coefficients(torch.zeros(1, 3, 12, 12))


def test_levels_before_rounding_are_those_that_are_sent():
    block = ((0.02, 0.01), (0.0, 0.005))
    code = Normalisation((1.0, 2.0) * 3, (block,) * 3)
    planes = torch.randn(2, 3, 2, 4, 4) * 0.3 + 1.5
    unrounded = code.unrounded(planes)
    assert torch.allclose(code.features(unrounded), planes, atol=1e-5)
    sent = torch.from_numpy(code.levels(planes[1]).astype(np.float32)) - 512
    assert (sent - unrounded[1]).abs().max() <= 0.501
    with pytest.raises(ValueError, match="9 channels came, expected 6"):
        code.unrounded(torch.zeros(1, 3, 3, 8, 8))
