"""What a ray adds up to, against the integrals (Max 1995)."""

import math

import pytest
import torch

from teachers.rendering.compositing import composite, interval_weights, sort_samples
from teachers.rendering.density import ShiftedSoftplus


def logit_of(density: float) -> float:
    """Density is softplus(logit - 1)."""
    return 1 + math.log(math.expm1(density))


def constant_medium(
    density: float, length: float, samples: int = 20
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colours, logits and unevenly spaced depths of one ray through `length` of a medium."""
    spacing = torch.rand(samples - 1, generator=torch.Generator().manual_seed(0)) + 0.1
    depths = 2 + torch.cat([torch.zeros(1), spacing.cumsum(0)]) / spacing.sum() * length
    colors = torch.tensor([0.2, 0.5, 0.9]).expand(1, 1, samples, 3)
    return colors, torch.full((1, 1, samples), logit_of(density)), depths.reshape(1, 1, -1)


@pytest.mark.parametrize("density, length", [(0.5, 1.0), (3.0, 0.4), (40.0, 0.1)])
def test_through_constant_density_and_length_opacity_is_one_minus_exp(density, length):
    result = composite(*constant_medium(density, length))
    opacity = -math.expm1(-density * length)
    assert result.opacity.item() == pytest.approx(opacity, rel=1e-5)
    assert result.features[0, 0].tolist() == pytest.approx(
        [0.2 * opacity, 0.5 * opacity, 0.9 * opacity], rel=1e-5
    )


def test_a_density_gain_multiplies_the_density():
    colors, logits, depths = constant_medium(0.3, 1.0)
    assert composite(
        colors, logits, depths, activation=ShiftedSoftplus(5.0)
    ).opacity.item() == pytest.approx(1 - math.exp(-1.5), rel=1e-5)


def test_density_logits_are_averaged_before_the_softplus():
    logits, depths = torch.tensor([[[1.0, 7.0]]]), torch.tensor([[[2.0, 2.5]]])
    density = math.log1p(math.exp(3.0))  # softplus((1 + 7) / 2 - 1)
    assert interval_weights(logits, depths).item() == pytest.approx(
        1 - math.exp(-density * 0.5), rel=1e-5
    )


def test_an_interval_shows_the_mean_colour_of_its_ends():
    colors = torch.tensor([[[[0.0], [1.0], [0.0]]]])
    result = composite(
        colors, torch.full((1, 1, 3), logit_of(1.0)), torch.tensor([[[0.0, 1.0, 2.0]]])
    )
    assert result.features.item() == pytest.approx(0.5 * (1 - math.exp(-2.0)), rel=1e-5)


def test_what_is_in_front_hides_what_is_behind():
    logits = torch.tensor([[[-20.0, 12.0, 12.0, -20.0, 12.0, 12.0, -20.0]]])
    weights = interval_weights(logits, torch.arange(7.0).reshape(1, 1, -1))
    assert weights[0, 0, 4:].max() < 1e-4
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-4)


def test_depth_is_that_of_the_wall():
    depths = torch.linspace(2, 3, 101).reshape(1, 1, -1)
    logits = torch.where((depths - 2.5).abs() < 0.011, 400.0, -40.0)
    result = composite(torch.ones(1, 1, 101, 3), logits, depths)
    assert result.opacity.item() == pytest.approx(1.0, abs=1e-4)
    assert result.expected_depth.item() == pytest.approx(2.5, abs=0.02)


def test_a_ray_that_sees_nothing_has_infinite_depth_and_no_gradient():
    logits = torch.full((1, 1, 5), -200.0, requires_grad=True)  # its density is exactly 0
    result = composite(torch.ones(1, 1, 5, 3), logits, torch.linspace(2, 3, 5).reshape(1, 1, -1))
    assert result.opacity.item() == 0
    assert result.expected_depth.item() == math.inf
    result.expected_depth.clamp(max=3.0).sum().backward()
    assert logits.grad.abs().max() == 0


def test_sorting_keeps_each_sample_together():
    depths = torch.tensor([[[3.0, 1.0, 2.0]]])
    sorted_depths, features, logits = sort_samples(depths, depths[..., None] * 10, depths * 100)
    assert sorted_depths.flatten().tolist() == [1, 2, 3]
    assert features.flatten().tolist() == [10, 20, 30]
    assert logits.flatten().tolist() == [100, 200, 300]
