"""Compositing in kernels equals the readable code, with its gradients."""

import pytest
import torch

from teachers.kernels import use_kernels
from teachers.rendering.compositing import composite
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.fast import compositing


def samples(batch: int, ray: int, sample: int, feature: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(sample)
    features = torch.rand(batch, ray, sample, feature, generator=generator)
    logits = torch.randn(batch, ray, sample, generator=generator) * 3
    depths = torch.rand(batch, ray, sample, generator=generator).sort(-1).values + 2
    return features, logits, depths


def both(features, logits, depths, gain: float, *, again: bool) -> list[tuple[torch.Tensor, ...]]:
    """Sums and gradients of features and logits: readable, fast; `again`: of the gradient's."""
    results = []
    for choice in ("readable", "fast"):
        leaves = [features.clone().requires_grad_(), logits.clone().requires_grad_()]
        with use_kernels(choice):
            sums = composite(*leaves, depths, activation=ShiftedSoftplus(gain))
        parts = sums.features.sin(), sums.depth.cos(), sums.opacity.square(), sums.weights.exp()
        total = sum(part.sum() for part in parts)
        gradients = torch.autograd.grad(total, leaves, create_graph=again)
        if again:
            gradients = torch.autograd.grad(sum(g.square().sum() for g in gradients), leaves)
        results.append((sums.features.detach(), sums.depth.detach(), sums.weights, *gradients))
    return results


@pytest.mark.parametrize("shape", [(2, 50, 14, 3), (1, 1100, 96, 32), (3, 7, 2, 1), (1, 5, 18, 4)])
@pytest.mark.parametrize("gain", [1.0, 20.0])
def test_sums_and_gradients_are_those_of_the_readable_code(shape, gain):
    for expected, got in zip(*both(*samples(*shape), gain, again=False), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_second_derivatives_are_those_of_the_readable_code():
    for expected, got in zip(*both(*samples(2, 9, 8, 3), 5.0, again=True), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)


def test_rays_that_run_backwards_and_rays_without_density_equal_the_readable_ones():
    features, logits, depths = samples(1, 4, 9, 3)
    logits[0, 0] = -200
    depths[0, 1] = depths[0, 1].flip(0)
    for expected, got in zip(*both(features, logits, depths, 1.0, again=False), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_depths_with_gradient_and_other_activations_are_left_to_the_readable_code():
    features, logits, depths = samples(1, 4, 9, 3)
    eg3d = ShiftedSoftplus()
    assert compositing.covers(features, logits, depths, eg3d)
    assert not compositing.covers(features, logits, depths.requires_grad_(), eg3d)
    assert not compositing.covers(features, logits, depths.detach(), torch.relu)
