"""Density regularisation compares neighbours."""

import math

import pytest
import torch
from torch import nn

from pipeline.losses.density_variation import density_variation
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane


class Step(nn.Module):
    """Dense where x > 0; as dense as the planes say."""

    def density_logit(self, features: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return torch.where(
            points[..., :1] > 0, features[..., :1], torch.full_like(points[..., :1], -100.0)
        )


RENDERER = TriplaneRenderer(decoder=Step(), sampling=RaySampling(), resolution=4)


def level(logit: float) -> Triplane:
    return Triplane(torch.full((1, 3, 1, 4, 4), logit))


def test_equal_neighbours_cost_nothing_and_a_step_its_height():
    points = torch.tensor([[[0.2, 0.0, 0.0], [-0.2, 0.0, 0.0]]])
    nowhere, across = torch.zeros_like(points), torch.tensor([[[-0.3, 0.0, 0.0], [-0.1, 0.0, 0.0]]])
    assert density_variation(RENDERER, level(3.0), points, nowhere).item() == 0
    height = math.log1p(math.exp(2.0))  # softplus(3 - 1), at one of the two points
    assert density_variation(RENDERER, level(3.0), points, across).item() == pytest.approx(
        height / 2, rel=1e-5
    )


def test_it_pulls_the_denser_side_down():
    triplane = level(3.0)
    triplane.planes.requires_grad_()
    density_variation(
        RENDERER, triplane, torch.tensor([[[0.1, 0.0, 0.0]]]), torch.tensor([[[-0.2, 0.0, 0.0]]])
    ).backward()
    assert triplane.planes.grad.sum() > 0  # going down the gradient lowers the density


def test_the_decoders_own_activation_gives_the_densities():
    decoder = Step()
    decoder.density_activation = lambda logits: 2 * logits.clamp(min=0)
    renderer = TriplaneRenderer(decoder=decoder, sampling=RaySampling(), resolution=4)
    points, offsets = torch.tensor([[[0.2, 0.0, 0.0]]]), torch.tensor([[[-0.3, 0.0, 0.0]]])
    assert density_variation(renderer, level(3.0), points, offsets).item() == pytest.approx(6.0)


@pytest.mark.parametrize("gain", [1.0, 20.0])
def test_eg3ds_activation_counts_without_its_gain(gain):
    decoder = Step()
    decoder.density_activation = ShiftedSoftplus(gain)
    renderer = TriplaneRenderer(decoder=decoder, sampling=RaySampling(), resolution=4)
    points = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    offsets = points.flip(1) * 0.1
    logits = renderer.field(level(0.7)).density_logit(torch.cat([points, points + offsets], 1))
    here, there = nn.functional.softplus(logits - 1).chunk(2, 1)
    variation = density_variation(renderer, level(0.7), points, offsets)
    assert torch.equal(variation, (here - there).abs().mean())
