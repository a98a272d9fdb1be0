"""Which coordinates a plane sees, and what lies between its texels, at its edge and beyond."""

import pytest
import torch

from teachers.kernels import use_kernels
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane, third_axis

BOTH = pytest.mark.parametrize("axes", [EG3D_AXES, ORTHOGONAL_AXES])


def only(plane: int, axes: tuple[str, str, str], box_size: float = 1.0) -> Triplane:
    """A triplane whose planes are zero but one, which is random."""
    planes = torch.zeros(1, 3, 2, 8, 8)
    planes[:, plane] = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(plane))
    return Triplane(planes, axes, box_size)


@BOTH
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_a_plane_ignores_exactly_the_coordinate_that_its_name_leaves_out(axes, plane):
    points = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(9)) * 0.8 - 0.4
    triplane = only(plane, axes)
    for number, axis in enumerate("xyz"):
        moved = points.clone()
        moved[..., number] = points[..., number] * -0.9 + 0.02
        is_ignored = torch.equal(triplane.sample(points), triplane.sample(moved))
        assert is_ignored == (axis not in axes[plane])


def test_the_published_axes_leave_yz_out_and_the_orthogonal_ones_have_every_pair():
    assert {frozenset(name) for name in EG3D_AXES} == {frozenset("xy"), frozenset("xz")}
    assert {frozenset(name) for name in ORTHOGONAL_AXES} == {
        frozenset("xy"),
        frozenset("xz"),
        frozenset("yz"),
    }


@BOTH
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_at_a_texel_centre_stands_a_third_of_the_texel(axes, plane):
    """The first letter runs along the columns, the second along the rows; the mean is over three
    planes.
    """
    box_size = 1.6
    triplane = only(plane, axes, box_size)
    row, column = torch.tensor([0, 3, 7]), torch.tensor([6, 1, 0])
    points = torch.zeros(1, 3, 3)
    for axis, texel in zip(axes[plane], (column, row), strict=True):
        points[0, :, "xyz".index(axis)] = ((texel + 0.5) / 8 - 0.5) * box_size
    expected = triplane.planes[0, plane][:, row, column].mT / 3
    assert torch.allclose(triplane.sample(points)[0], expected, atol=1e-6)


def test_features_are_half_faded_at_a_face_gone_half_a_texel_beyond_and_zero_outside():
    triplane = Triplane(torch.ones(1, 3, 1, 8, 8), ORTHOGONAL_AXES, 1.0)

    def at(x: float) -> float:
        """Two of the three planes see x."""
        return triplane.sample(torch.tensor([[[x, 0.0, 0.0]]])).item()

    half_texel = 0.5 / 8
    assert at(0.5 - half_texel) == pytest.approx(1.0)
    assert at(0.5) == pytest.approx((1 + 2 * 0.5) / 3)
    assert at(0.5 + half_texel) == pytest.approx(1 / 3, abs=1e-6)
    assert triplane.sample(torch.tensor([[[0.7, 0.7, 0.7]]])).item() == 0.0


def test_between_two_texels_features_are_mixed_linearly():
    ramp = torch.arange(8.0).expand(1, 3, 1, 8, 8)
    triplane = Triplane(ramp, ("xy", "xy", "xy"), 1.0)
    quarter = ((3.25 + 0.5) / 8) - 0.5
    assert triplane.sample(torch.tensor([[[quarter, 0.0, 0.0]]])).item() == pytest.approx(
        3.25, abs=1e-5
    )


def test_rows_are_identities_and_repeating_keeps_the_views_of_one_together():
    triplane = Triplane(torch.arange(2.0).reshape(2, 1, 1, 1, 1).expand(2, 3, 1, 4, 4))
    assert len(triplane.repeat_interleave(3)) == 6
    assert triplane.repeat_interleave(3).planes[:, 0, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert triplane[1:].planes.mean().item() == 1.0


def test_a_stack_of_equal_planes_is_one_plane():
    planes = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    stacked = Triplane(planes.repeat_interleave(5, 2), ORTHOGONAL_AXES, depth=5)
    points = torch.rand(2, 60, 3, generator=torch.Generator().manual_seed(3)) * 0.78 - 0.39
    expected = Triplane(planes, ORTHOGONAL_AXES).sample(points)
    torch.testing.assert_close(stacked.sample(points), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("plane, along", [(0, "z"), (1, "y"), (2, "x")])
def test_a_stack_runs_along_the_coordinate_that_its_planes_leave_out(plane, along):
    assert third_axis(ORTHOGONAL_AXES[plane]) == along
    planes = torch.zeros(1, 3, 4, 8, 8)
    planes[:, plane] = torch.arange(4.0)[:, None, None]  # one feature, four planes
    triplane = Triplane(planes, ORTHOGONAL_AXES, depth=4)
    points = torch.zeros(1, 3, 3)
    points[0, :, "xyz".index(along)] = torch.tensor([-0.25, 0.0, 0.25])
    assert triplane.sample(points)[0, :, 0].tolist() == pytest.approx([0.5 / 3, 0.5, 2.5 / 3])
    moved = points.clone()
    moved[..., "xyz".index(ORTHOGONAL_AXES[plane][0])] += 0.1
    torch.testing.assert_close(triplane.sample(moved), triplane.sample(points))


def test_other_planes_keep_axes_box_and_depth():
    triplane = Triplane(torch.zeros(2, 3, 6, 8, 8), ORTHOGONAL_AXES, 0.8, depth=3)
    for other in (
        triplane[:1],
        triplane.repeat_interleave(2),
        triplane.with_planes(torch.ones(1, 3, 6, 4, 4)),
    ):
        assert (other.axes, other.box_size, other.depth) == (ORTHOGONAL_AXES, 0.8, 3)


@pytest.mark.parametrize("gain", [0.003, 1.0])
def test_a_product_with_a_gain_is_the_product_of_planes_about_one_and_the_mean_for_small_gains(
    gain,
):
    planes = 3 * torch.randn(1, 3, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    points = 0.8 * torch.rand(1, 50, 3) - 0.4
    product = Triplane(planes, aggregation="product", product_gain=gain).sample(points)
    about_one = Triplane((1 + gain * planes).double(), aggregation="product")
    expected = (about_one.sample(points.double()) - 1) / (3 * gain)
    torch.testing.assert_close(product.double(), expected, atol=1e-5, rtol=1e-5)
    nearly_mean = Triplane(planes, aggregation="product", product_gain=1e-6).sample(points)
    torch.testing.assert_close(nearly_mean, Triplane(planes).sample(points), atol=1e-4, rtol=1e-4)


def test_outside_the_box_the_features_of_every_aggregation_are_zero():
    planes, outside = torch.ones(1, 3, 2, 4, 4), torch.tensor([[[0.9, -0.7, 0.8]]])
    for aggregation, gain in (("mean", 0.0), ("product", 0.0), ("product", 0.5)):
        triplane = Triplane(planes, aggregation=aggregation, product_gain=gain)
        assert torch.equal(triplane.sample(outside), torch.zeros(1, 1, 2))


@pytest.mark.parametrize("kernels", ["readable", "fast"])
def test_points_of_other_identities_than_the_planes_are_refused(kernels):
    triplane = Triplane(torch.zeros(1, 3, 16, 8, 8))
    with use_kernels(kernels), pytest.raises(ValueError, match="points of 3 identities came for 1"):
        triplane.sample(torch.zeros(3, 5, 3))
