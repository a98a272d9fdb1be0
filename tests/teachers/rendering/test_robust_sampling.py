"""Bins that matter get samples, few others do, and no ray depends on another image's."""

import math

import pytest
import torch

from teachers.rendering.robust_sampling import (
    clipped_weights,
    depths_in_bins,
    drawn_depths,
    hardest_rays,
    kept_bins,
    sampler_target,
)


def random_masses(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).pow(6)


def test_the_smallest_set_with_the_mass_is_kept():
    masses = random_masses(50, 24)
    bins, count = kept_bins(masses, 0.98, 24)
    for row in range(50):
        held = masses[row, bins[row, : count[row]]].sum() / masses[row].sum()
        without_the_last = masses[row, bins[row, : count[row] - 1]].sum() / masses[row].sum()
        assert held >= 0.98 - 1e-6 > without_the_last - 1e-6
    assert (kept_bins(masses, 0.98, 3)[1] == 3).all()
    assert (kept_bins(torch.eye(4), 0.98, 4)[1] == 1).all()


@pytest.mark.parametrize("samples", [3, 8, 17])
def test_every_kept_bin_gets_a_sample_and_the_heaviest_get_the_rest(samples):
    masses = random_masses(40, 12)
    edges = torch.linspace(2.0, 3.0, 13).expand(40, -1)
    bins, count = kept_bins(masses, 0.9, samples)
    jitter = torch.rand(40, samples, generator=torch.Generator().manual_seed(1))
    depths = depths_in_bins(edges, bins, count, jitter)
    assert (depths.diff(dim=1) >= 0).all()
    found = ((depths - 2.0) * 12).floor().long().clamp(0, 11)
    for row in range(40):
        kept = bins[row, : count[row]].tolist()
        numbers = [int((found[row] == bin_).sum()) for bin_ in kept]
        assert sum(numbers) == samples and min(numbers) >= 1
        assert max(numbers) - min(numbers) <= 1
        assert numbers == sorted(numbers, reverse=True)


def test_samples_of_one_bin_lie_in_equal_strata():
    depths = depths_in_bins(
        torch.tensor([[0.0, 1.0, 2.0]]),
        torch.tensor([[1, 0]]),
        torch.tensor([1]),
        torch.full((1, 4), 0.5),
    )
    torch.testing.assert_close(depths, torch.tensor([[1.125, 1.375, 1.625, 1.875]]))


def test_the_hardest_rays_are_those_with_most_mass_outside_and_as_many_of_every_image():
    masses = torch.zeros(2, 10, 8)
    masses[:, :, 0] = 1.0
    masses[0, 7] = masses[1, 2] = 1 / 8
    hard = hardest_rays(masses, 4, 0.1)
    assert hard.sum(1).tolist() == [1, 1]
    assert hard[0, 7] and hard[1, 2]


def test_the_target_is_a_blurred_distribution_without_faint_bins():
    weights = torch.zeros(2, 21)
    weights[0, 10], weights[0, 3] = 0.9, 0.004
    target = sampler_target(weights)
    assert target[0].sum() == pytest.approx(1) and target[0, 3] == 0
    assert target[0, 9] / target[0, 10] == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert target[1].sum() == 0


def test_a_sample_stands_for_no_more_than_a_bin():
    depths = torch.tensor([[1.0, 1.05, 2.0]])
    densities = torch.tensor([[3.0, 4.0, 5.0]])
    weights = clipped_weights(densities, depths, torch.tensor([[0.1]]))
    lengths = [0.05, 0.1, 0.1]
    left, expected = 1.0, []
    for density, length in zip([3.0, 4.0, 5.0], lengths, strict=True):
        expected.append(left * (1 - math.exp(-density * length)))
        left *= math.exp(-density * length)
    torch.testing.assert_close(weights, torch.tensor([expected]))


def test_drawn_depths_invert_the_distribution_function():
    edges = torch.tensor([[2.0, 2.5, 3.0, 3.5]])
    masses = torch.tensor([[1.0, 0.0, 3.0]])
    depths = drawn_depths(edges, masses, torch.tensor([[0.125, 0.25, 0.625, 0.0]]))
    torch.testing.assert_close(depths, torch.tensor([[2.0, 2.25, 3.0, 3.25]]))
