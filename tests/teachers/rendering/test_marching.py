"""Marching rays through fields whose pictures are known."""

import dataclasses
import math

import pytest
import torch

from teachers.rendering.camera import Camera, Rays
from teachers.rendering.marching import RaySampling, march
from teachers.rendering.rendering import RayJitter

SAMPLING = RaySampling(near=2.0, far=3.2, depth_samples=24, importance_samples=24)


def logit_of(density: float) -> float:
    return 1 + math.log(math.expm1(density))


def ball(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A soft ball whose colour is its position."""
    return points + 0.5, (0.3 - points.norm(dim=-1, keepdim=True)) * 1000


def fog(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full_like(points, 0.25), torch.full_like(points[..., :1], logit_of(0.8))


def nothing(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones_like(points), torch.full_like(points[..., :1], -500.0)


def cameras(count: int = 3) -> Camera:
    return Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count), radius=2.7, focal=2.0)


def jitter(batch: int, rays: int, sampling: RaySampling = SAMPLING) -> RayJitter:
    random = torch.Generator().manual_seed(4)
    shapes = (sampling.depth_samples, sampling.importance_samples)
    return RayJitter(*(torch.rand(batch, rays, samples, generator=random) for samples in shapes))


def parts(colors) -> tuple[torch.Tensor, ...]:
    return colors.features, colors.depth, colors.opacity


def test_fog_between_the_limits_is_the_exponential_distribution():
    box = RaySampling(near=None, far=None, box_size=1.0, depth_samples=32, importance_samples=0)
    straight = Camera.orbit(torch.zeros(1), torch.zeros(1), radius=2.7, focal=4.0)
    at_the_borders = RayJitter(torch.zeros(1, 1, 32), torch.zeros(1, 1, 0))
    colors = march(
        fog, straight.rays(1), box, at_the_borders
    )  # one ray, straight through a box of length 1
    opacity = 1 - math.exp(-0.8)
    assert colors.opacity.item() == pytest.approx(opacity, rel=1e-4)
    assert colors.features.flatten().tolist() == pytest.approx([0.25 * opacity] * 3, rel=1e-4)


@pytest.mark.parametrize(
    "sampling",
    [
        SAMPLING,
        dataclasses.replace(SAMPLING, importance_samples=0),
        dataclasses.replace(SAMPLING, near=None, far=None),
    ],
)
def test_neither_pieces_nor_the_batch_change_a_picture(sampling):
    rays, numbers = cameras().rays(6), jitter(3, 36, sampling)
    whole = march(ball, rays, sampling, numbers)
    pieces = march(ball, rays, dataclasses.replace(sampling, max_points=700), numbers)
    for one, other in zip(parts(whole), parts(pieces), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    last = march(
        ball, cameras()[2:].rays(6), sampling, RayJitter(numbers.coarse[2:], numbers.fine[2:])
    )
    for one, other in zip(parts(whole), parts(last), strict=True):
        assert torch.allclose(one[2:], other, atol=1e-6)


def test_the_official_way_lets_the_batch_change_a_picture():
    sampling = dataclasses.replace(SAMPLING, compat="official", near=None, far=None)
    rows = Camera.cat(
        [cameras(1), Camera.orbit(torch.zeros(1), torch.zeros(1), radius=4.0, focal=2.0)]
    )
    together, alone = (
        march(nothing, rows.rays(6), sampling),
        march(nothing, rows[:1].rays(6), sampling),
    )
    assert not torch.equal(together.depth[:1], alone.depth)
    ours = dataclasses.replace(sampling, compat="none")
    assert torch.equal(
        march(nothing, rows.rays(6), ours).depth[:1], march(nothing, rows[:1].rays(6), ours).depth
    )


def test_the_same_jitter_gives_the_same_picture_and_other_jitter_another():
    rays, numbers = cameras().rays(5), jitter(3, 25)
    once, again = (march(ball, rays, SAMPLING, numbers) for _ in range(2))
    assert torch.equal(once.features, again.features)
    other = march(ball, rays, SAMPLING, RayJitter(1 - numbers.coarse, numbers.fine))
    assert not torch.equal(once.features, other.features)


def test_stratified_jitter_stays_below_one():
    last = torch.full((1, 1, 12), 1 - 2**-24)
    fine = RayJitter.stratified(last[..., :0], last).fine
    assert fine.max() < 1
    assert (fine.diff() > 0.08).all()


def test_stratified_jitter_is_spread_evenly_and_halves_the_noise():
    sampling = dataclasses.replace(SAMPLING, depth_samples=12, importance_samples=10)
    ray = Camera.orbit(torch.zeros(1), torch.zeros(1), radius=2.7, focal=2.0).rays(1)
    many = Rays(ray.origins[:, :1].expand(1, 4000, 3), ray.directions[:, :1].expand(1, 4000, 3))
    middle, uniform = (
        torch.full((1, 4000, 12), 0.5),
        torch.rand(1, 4000, 10, generator=torch.Generator().manual_seed(1)),
    )
    spread = RayJitter.stratified(middle, uniform)
    assert torch.equal((spread.fine * 10).floor(), torch.arange(10.0).expand(1, 4000, 10))
    independent, stratified = (
        march(ball, many, sampling, numbers).depth
        for numbers in (RayJitter(middle, uniform), spread)
    )
    assert stratified.std() < 0.5 * independent.std()
    assert (
        abs(stratified.mean() - 2.4) < abs(independent.mean() - 2.4) < 0.05
    )  # from the camera to the ball


def test_without_jitter_nothing_is_drawn_at_random():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    once, again = (march(ball, cameras().rays(5), SAMPLING) for _ in range(2))
    assert torch.equal(once.features, again.features)
    assert torch.equal(before, torch.get_rng_state())


def test_empty_rays_have_the_farthest_depth_of_their_image_and_no_opacity():
    colors = march(nothing, cameras().rays(4), SAMPLING)
    assert colors.opacity.max() == 0
    assert torch.equal(colors.depth, colors.farthest[:, None].expand(3, 16))


def test_every_depth_lies_between_the_nearest_and_the_farthest_sample():
    colors = march(ball, cameras().rays(12), SAMPLING)
    assert (colors.depth >= colors.nearest[:, None]).all()
    assert (colors.depth <= colors.farthest[:, None]).all()


def test_the_ball_is_seen_at_its_front():
    colors = march(
        ball,
        cameras(1).rays(9),
        dataclasses.replace(SAMPLING, depth_samples=96, importance_samples=96),
    )
    middle = 9 * 9 // 2
    assert colors.opacity[0, middle] > 0.99
    assert colors.depth[0, middle].item() == pytest.approx(2.7 - 0.3, abs=0.06)
    assert colors.opacity[0, 0] < 1e-6


def test_gradients_reach_the_camera_but_not_through_where_samples_are():
    """With the camera moving, points move; importance depths stay: the second look-up's depths
    carry no gradient.
    """
    position = torch.tensor([0.2], requires_grad=True)
    march(
        ball, Camera.orbit(position, torch.zeros(1), radius=2.7, focal=2.0).rays(4), SAMPLING
    ).features.sum().backward()
    assert position.grad.abs().item() > 0
    looked = []

    def noted(points):
        looked.append(points)
        return ball(points)

    density = torch.tensor(60.0, requires_grad=True)
    march(
        lambda points: (points + 0.5, noted(points)[1] * density / 60), cameras(1).rays(4), SAMPLING
    ).features.sum().backward()
    assert density.grad is not None and density.grad.isfinite()
    assert len(looked) == 2
    assert not any(points.requires_grad for points in looked)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"near": 2.0, "far": None}, "give both"),
        ({"near": 3.3, "far": 2.25}, "0 ≤ near ≤ far"),
        ({"near": -0.5, "far": 2.25}, "0 ≤ near ≤ far"),
        ({"box_size": 0.0}, "box_size is 0.0"),
        ({"depth_samples": 3}, "at least 4"),
    ],
)
def test_impossible_sampling_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        RaySampling(**settings)
