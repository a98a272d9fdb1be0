"""The look-up in kernels equals grid_sample's, in value and in gradient, wherever points are."""

import pytest
import torch

from teachers.kernels import use_kernels
from teachers.rendering.fast import lookup
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane


def random_planes(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_points(batch: int, count: int, spread: float = 1.3, seed: int = 1) -> torch.Tensor:
    return (torch.rand(batch, count, 3, generator=torch.Generator().manual_seed(seed)) - 0.5) * (
        spread
    )


def both(planes: torch.Tensor, points: torch.Tensor, **settings) -> list[tuple[torch.Tensor, ...]]:
    """Features, gradient of the planes and of the points: readable, fast."""
    results = []
    for choice in ("readable", "fast"):
        leaves = [tensor.clone().requires_grad_() for tensor in (planes, points)]
        with use_kernels(choice):
            features = Triplane(leaves[0], **settings).sample(leaves[1])
        weights = torch.linspace(-3, 2, features.numel()).view_as(features).cos()
        results.append(
            (features.detach(), *torch.autograd.grad((features * weights).sum(), leaves))
        )
    return results


@pytest.mark.parametrize(
    "shape", [(1, 3, 16, 64, 64), (3, 3, 48, 5, 5), (2, 3, 32, 16, 16), (1, 3, 16, 1, 1)]
)
@pytest.mark.parametrize("axes", [EG3D_AXES, ORTHOGONAL_AXES])
def test_features_and_gradients_are_those_of_the_readable_code(shape, axes):
    points = random_points(shape[0], 5000)
    readable, fast = both(random_planes(*shape), points, axes=axes, box_size=0.9)
    for expected, got in zip(readable, fast, strict=True):
        assert got.shape == expected.shape
        # A coordinate's last bit moves a point over a texel's centre, where the slope jumps.
        difference = (got - expected).abs().flatten()
        most = difference.kthvalue(max(1, int(len(difference) * 0.999))).values
        assert most < 2e-5 * max(1, expected.abs().max())
    assert (fast[0] - readable[0]).abs().max() < 2e-5


def test_kernels_read_planes_as_they_lie_channels_last_or_expanded():
    plain = random_planes(1, 96, 16, 16)
    last = plain.contiguous(memory_format=torch.channels_last).view(1, 3, 32, 16, 16)
    assert last.stride(2) == 1 and not last.is_contiguous()
    points = random_points(2, 300)
    with use_kernels("fast"):
        expected = Triplane(plain.view(1, 3, 32, 16, 16).repeat(2, 1, 1, 1, 1)).sample(points)
        assert torch.equal(Triplane(last.expand(2, -1, -1, -1, -1)).sample(points), expected)


@pytest.mark.parametrize("far", [0.5, -0.5, 0.52, 1e8, -3e9, 1e30, -1e30])
def test_points_outside_have_zeros_however_far(far):
    points = torch.full((1, 3, 3), far) * (1 + 1 / 16)
    readable, fast = both(random_planes(1, 3, 16, 16, 16), points)
    assert fast[0].abs().max() == 0 and torch.equal(fast[0], readable[0])
    assert fast[1].abs().max() == 0 and fast[2].abs().max() == 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_coordinate_that_is_no_number_gives_nan_and_teaches_its_planes_nothing(bad):
    """As grid_sample: the planes that don't see the coordinate, and the other points, go on."""
    points = random_points(1, 40, 0.8)
    points[0, 7, 1] = bad
    readable, fast = both(random_planes(1, 3, 16, 16, 16), points)
    assert fast[0][0, 7].isnan().all() and fast[0].isnan().sum() == 16
    assert torch.equal(readable[0].isnan(), fast[0].isnan())
    torch.testing.assert_close(fast[1], readable[1], atol=1e-5, rtol=0)
    assert fast[2][0, 7].isnan().any() and fast[2][0, :7].isfinite().all()


def test_second_derivatives_are_those_of_the_readable_code():
    """An eikonal term: the gradient of a sum with respect to points, differentiated for planes."""
    gradients = []
    for choice in ("readable", "fast"):
        planes = random_planes(1, 3, 16, 8, 8).requires_grad_()
        points = random_points(1, 50, 0.8).requires_grad_()
        with use_kernels(choice):
            features = Triplane(planes).sample(points)
            (slope,) = torch.autograd.grad(features.square().sum(), points, create_graph=True)
        gradients.append(torch.autograd.grad(slope.square().sum(), planes)[0])
    torch.testing.assert_close(gradients[1], gradients[0], atol=2e-3, rtol=1e-4)
    assert gradients[0].abs().max() > 1


@pytest.mark.parametrize(
    "planes, points",
    [
        (random_planes(1, 3, 4, 8, 8), random_points(1, 9)),
        (random_planes(1, 3, 16, 8, 4), random_points(1, 9)),
        (random_planes(1, 3, 16, 8, 8).double(), random_points(1, 9)),
        (random_planes(1, 3, 16, 8, 8), random_points(1, 9).double()),
        (random_planes(1, 3, 16, 8, 8).to("meta"), random_points(1, 9).to("meta")),
    ],
    ids=["4 channels", "oblong", "double planes", "double points", "another device"],
)
def test_what_kernels_do_not_cover_is_left_to_the_readable_code(planes, points):
    assert not lookup.covers(Triplane(planes), points)
    with use_kernels("fast"):
        features = Triplane(planes).sample(points)
    assert features.shape == (1, 9, planes.shape[2])


def test_a_stack_of_planes_is_left_to_the_readable_code():
    assert not lookup.covers(Triplane(random_planes(1, 3, 32, 8, 8), depth=2), random_points(1, 9))


def test_no_points_give_no_features():
    with use_kernels("fast"):
        assert Triplane(random_planes(2, 3, 16, 8, 8)).sample(torch.zeros(2, 0, 3)).numel() == 0
