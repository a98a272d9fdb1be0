import pytest
import torch

from pipeline.worlds.puppets import sdf


@pytest.fixture
def points() -> tuple[torch.Tensor, ...]:
    return (torch.rand(3, 1, 4000, generator=torch.Generator().manual_seed(0)) * 4 - 2).unbind()


def test_distance_to_a_sphere_is_the_distance_from_its_centre_minus_its_radius(points):
    expected = torch.stack(points).norm(dim=0) - 0.7
    torch.testing.assert_close(sdf.sphere(*points, 0.7), expected, atol=1e-5, rtol=0)


def test_an_ellipsoid_with_equal_axes_is_a_sphere(points):
    far_from_centre = torch.stack(points).norm(dim=0) > 0.05
    found = sdf.ellipsoid(*points, 0.7, 0.7, 0.7)
    torch.testing.assert_close(
        found[far_from_centre], sdf.sphere(*points, 0.7)[far_from_centre], atol=1e-4, rtol=0
    )


def test_an_ellipsoid_is_zero_on_its_surface_and_signed_beside_it():
    directions = torch.nn.functional.normalize(
        torch.randn(500, 3, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    axes = torch.tensor([0.3, 0.8, 0.5])
    surface = (directions * axes).T[:, None]
    assert sdf.ellipsoid(*surface, *axes).abs().max() < 1e-4
    assert (sdf.ellipsoid(*(surface * 1.05), *axes) > 0).all()
    assert (sdf.ellipsoid(*(surface * 0.95), *axes) < 0).all()


def test_an_ellipsoid_matches_the_true_distance_beside_its_surface():
    directions = torch.nn.functional.normalize(
        torch.randn(500, 3, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    axes = torch.tensor([0.3, 0.8, 0.5])
    surface = directions * axes
    normals = torch.nn.functional.normalize(surface / axes.square(), dim=-1)
    beside = (surface + 0.01 * normals).T[:, None]
    torch.testing.assert_close(
        sdf.ellipsoid(*beside, *axes), torch.full((1, 500), 0.01), atol=6e-4, rtol=0
    )


def test_distance_to_a_capsule_is_the_distance_to_its_nearest_centre_minus_its_radius(points):
    start, end = torch.tensor([-0.5, 0.1, 0.2]), torch.tensor([0.6, 0.7, -0.3])
    centres = start + (end - start) * torch.linspace(0, 1, 2001)[:, None]
    expected = torch.cdist(torch.stack(points, -1)[0], centres).amin(-1) - 0.2
    found = sdf.capsule(*points, tuple(start.tolist()), tuple(end.tolist()), 0.2, 0.2)
    torch.testing.assert_close(found[0], expected, atol=1e-3, rtol=0)


def test_a_disc_never_overestimates_and_has_a_rim_of_its_thickness():
    found = sdf.disc(
        torch.tensor([[0.0, 1.3]]),
        torch.tensor([[0.4, 0.0]]),
        torch.tensor([[0.0, 0.0]]),
        1.0,
        1.0,
        0.05,
    )
    torch.testing.assert_close(found, torch.tensor([[0.35, 0.25]]), atol=1e-3, rtol=0)


def test_a_smooth_union_differs_only_near_the_seam_by_a_quarter_width_at_most():
    a, b = torch.tensor([0.5, 0.1, 0.3]), torch.tensor([0.1, 0.9, 0.3])
    torch.testing.assert_close(sdf.smooth_min(a, b, 0.2), torch.tensor([0.1, 0.1, 0.25]))
    torch.testing.assert_close(sdf.smooth_max(a, b, 0.2), torch.tensor([0.5, 0.9, 0.35]))


def test_a_ramp_may_run_down():
    torch.testing.assert_close(
        sdf.ramp(0.5, 0.1, torch.tensor([0.6, 0.3, 0.0])), torch.tensor([0.0, 0.5, 1.0])
    )
