"""Where rays are looked up: strata, the box, and importance."""

import pytest
import torch

from teachers.rendering.camera import Camera, Rays
from teachers.rendering.depths import (
    DepthLimits,
    box_limits,
    centred_jitter,
    constant_limits,
    even_jitter,
    importance_depths,
    stratified_depths,
)


def rays_along(
    *directions: tuple[float, float, float], origin: tuple[float, float, float] = (0.0, 0.0, 2.0)
) -> Rays:
    vectors = torch.nn.functional.normalize(torch.tensor([directions]), dim=-1)
    return Rays(torch.tensor(origin).expand_as(vectors), vectors)


def limits(near: float, far: float) -> DepthLimits:
    return DepthLimits(torch.tensor([[near]]), torch.tensor([[far]]))


def test_every_stratum_has_one_sample():
    jitter = torch.rand(1, 1, 9, generator=torch.Generator().manual_seed(0))
    depths = stratified_depths(limits(2.0, 4.0), jitter)[0, 0]
    strata = (depths - 2.0) / (2.0 / 8)
    assert strata.floor().tolist() == list(range(9))  # the last one lies beyond `far`, as published


def test_without_jitter_samples_sit_in_the_middle_of_their_strata():
    rays = rays_along((0.0, 0.0, -1.0))
    depths = stratified_depths(
        constant_limits(rays, 1.0, 3.0), centred_jitter(1, 1, 5, rays.origins)
    )
    assert torch.allclose(depths, torch.tensor([1.25, 1.75, 2.25, 2.75, 3.25]))


def test_in_disparity_steps_of_one_over_depth_are_even():
    depths = stratified_depths(limits(1.0, 4.0), torch.zeros(1, 1, 7), in_disparity=True)[0, 0]
    assert depths[0] == pytest.approx(1.0)
    assert depths[-1] == pytest.approx(4.0, rel=1e-5)
    assert torch.allclose((1 / depths).diff(), torch.full((6,), -0.75 / 6), atol=1e-5)


def test_a_ray_is_limited_by_its_entry_into_the_box_and_its_exit():
    found = box_limits(rays_along((0.0, 0.0, -1.0), (0.3, 0.0, -1.5)), 1.0)
    assert (found.near[0, 0].item(), found.far[0, 0].item()) == (1.5, 2.5)
    slope = (0.3**2 + 1.5**2) ** 0.5 / 1.5  # enters by the front, leaves by the back
    assert (found.near[0, 1].item(), found.far[0, 1].item()) == pytest.approx(
        (1.5 * slope, 2.5 * slope)
    )


def test_a_ray_that_misses_borrows_the_limits_of_its_own_image():
    hitting, missing = (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)
    found = box_limits(rays_along(hitting, missing), 1.0)
    assert (found.near[0, 1].item(), found.far[0, 1].item()) == (1.5, 2.5)
    none = box_limits(rays_along(missing), 1.0)
    assert (none.near.item(), none.far.item()) == (-1.0, -2.0)


def test_box_limits_depend_on_the_batch_only_in_the_official_way():
    near_camera, far_camera = (
        Camera.orbit(torch.tensor([0.3]), torch.zeros(1), radius=radius, focal=1.0)
        for radius in (1.5, 3.0)
    )
    both = Camera.cat([near_camera, far_camera]).rays(8)
    alone, together = box_limits(near_camera.rays(8), 1.0), box_limits(both, 1.0)
    assert torch.equal(alone.near, together.near[:1])
    assert torch.equal(alone.far, together.far[:1])
    official_alone = box_limits(near_camera.rays(8), 1.0, across_batch=True)
    official_together = box_limits(both, 1.0, across_batch=True)
    assert not torch.equal(official_alone.far, official_together.far[:1])


def test_the_official_fill_takes_the_last_entry_for_the_exit():
    rays = rays_along((0.0, 0.0, -1.0), (0.3, 0.0, -1.5), (1.0, 0.0, 0.0))
    found = box_limits(rays, 1.0, across_batch=True)
    assert found.far[0, 2] == found.near[0, :2].max()
    assert box_limits(rays, 1.0).far[0, 2] == found.far[0, :2].max()


@pytest.fixture
def peaked() -> tuple[torch.Tensor, torch.Tensor]:
    """Eleven samples at 0, 1, … 10 and all the weight between 5 and 6."""
    weights = torch.zeros(1, 1, 10)
    weights[0, 0, 5] = 1.0
    return torch.arange(11.0).reshape(1, 1, 11), weights


def test_importance_samples_gather_where_the_weight_is(peaked):
    samples = importance_depths(*peaked, even_jitter(1, 1, 1000, torch.zeros(1)))[0, 0]
    near_it = ((samples > 3.4) & (samples < 6.6)).float().mean()
    assert near_it > 0.95
    assert samples.min() > 0.4  # the rest of the ray keeps a little
    assert samples.max() > 7


def test_the_weight_of_an_interval_is_spread_half_an_interval_towards_the_camera(peaked):
    """Weight in [5, 6] and, by the smoothing, half of it in both neighbours: a NeRF would have its
    mean at 5.5.
    """
    samples = importance_depths(*peaked, even_jitter(1, 1, 1000, torch.zeros(1)))[0, 0]
    assert samples.median().item() == pytest.approx(5.0, abs=0.02)


def test_uniform_weights_give_uniform_samples():
    depths = torch.linspace(2, 3, 21).reshape(1, 1, -1)
    samples = importance_depths(
        depths, torch.full((1, 1, 20), 0.05), even_jitter(1, 1, 101, depths)
    )[0, 0]
    assert torch.allclose(samples.diff(), samples.diff().mean().expand(100), rtol=2e-2)


def test_no_gradient_flows_through_sample_positions():
    depths, weights = (
        torch.linspace(2, 3, 8).reshape(1, 1, -1).requires_grad_(),
        torch.rand(1, 1, 7, requires_grad=True),
    )
    assert not importance_depths(depths, weights, torch.rand(1, 1, 4)).requires_grad
