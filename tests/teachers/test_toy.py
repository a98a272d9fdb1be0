"""The toy's renderings equal the closed-form integrals of its spheres."""

import dataclasses
import math

import pytest
import torch

from teachers.rendering.camera import Camera, Rays
from teachers.toy import Spheres, ToyTeacher, closed_form, toy_renderer


def camera(yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    return Camera.orbit(torch.tensor([yaw]), torch.tensor([pitch]))


@pytest.fixture(scope="module")
def teacher() -> ToyTeacher:
    return ToyTeacher(
        plane_resolution=128,
        resolution=24,
        depth_samples=96,
        importance_samples=96,
        sharpness=4000.0,
    )


def test_through_constant_density_and_length_opacity_is_one_minus_exp():
    spheres = Spheres(
        torch.zeros(1, 1, 3), torch.tensor([[0.2]]), torch.tensor([[[0.2, 0.4, 0.6]]])
    )
    straight = Rays(torch.tensor([[[0.0, 0.0, 2.0]]]), torch.tensor([[[0.0, 0.0, -1.0]]]))
    for density in (0.5, 3.0, 50.0):
        result = closed_form(spheres, straight, density)
        opacity = 1 - math.exp(-density * 0.4)
        assert result.opacity.item() == pytest.approx(opacity, rel=1e-5)
        assert result.color[0, 0].tolist() == pytest.approx(
            [0.2 * opacity, 0.4 * opacity, 0.6 * opacity], rel=1e-5
        )
        depths = torch.linspace(1.8, 2.2, 100_001, dtype=torch.float64)
        mass = torch.exp(-density * (depths - 1.8))
        assert result.depth.item() == pytest.approx(
            float((mass * depths).sum() / mass.sum()), rel=1e-4
        )


def test_a_sphere_hides_what_is_behind_it():
    spheres = Spheres(
        torch.tensor([[[0.0, 0, 0], [0.0, 0, 0.5]]]),
        torch.tensor([[0.2, 0.1]]),
        torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]]),
    )
    back = Rays(torch.tensor([[[0.0, 0.0, 2.0]]]), torch.tensor([[[0.0, 0.0, -1.0]]]))
    red, green, _ = closed_form(spheres, back, 5.0).color[0, 0].tolist()
    assert green == pytest.approx(1 - math.exp(-1.0), rel=1e-5)
    assert red == pytest.approx(math.exp(-1.0) * (1 - math.exp(-2.0)), rel=1e-5)


@pytest.mark.parametrize("yaw, pitch", [(0.0, 0.0), (0.7, -0.3), (-1.2, 0.4)])
def test_pictures_depth_and_opacity_are_those_of_the_closed_form(teacher, yaw, pitch):
    ws = teacher.map_latents(
        torch.randn(1, teacher.z_dim, generator=torch.Generator().manual_seed(1))
    )
    view = camera(yaw, pitch)
    rendering = teacher.render(teacher.synthesize(ws), view)
    expected = closed_form(Spheres.from_latents(ws), view.rays(24), 60.0)
    opacity, depth = rendering.opacity.flatten(1), rendering.depth.flatten(1)
    solid, empty = expected.opacity > 0.999, expected.opacity == 0
    assert solid.sum() > 30
    assert (opacity - expected.opacity).abs()[solid].max() < 2e-3
    assert (opacity - expected.opacity).abs().mean() < 4e-3
    assert opacity[empty].mean() < 2e-3
    error = (depth - expected.depth)[
        solid
    ].abs()  # large only where a ray grazes another sphere first
    assert error.median() < 2e-3
    assert error.mean() < 4e-3
    color = (rendering.image.flatten(2).mT + 1) / 2
    error = (color - (expected.color + 1 - expected.opacity[..., None]))[solid].abs()
    assert error.median() < 1e-3
    assert error.mean() < 8e-3


def test_each_sphere_is_where_its_name_says(teacher):
    spheres = Spheres.from_latents(teacher.mean_latent())
    head, nose, right, left = camera().project(spheres.centres)[0][0]
    assert right[0] < head[0] < left[0]  # the identity's right is on the left of the picture
    assert camera().project(spheres.centres)[1][0, 1] < camera().project(spheres.centres)[1][0, 0]
    assert (nose - head).norm() < 0.1


def test_spheres_never_touch():
    ws = ToyTeacher().map_latents(torch.randn(500, 28) * 10)
    spheres = Spheres.from_latents(ws)
    gaps = (
        torch.cdist(spheres.centres, spheres.centres)
        - spheres.radii[:, None]
        - spheres.radii[:, :, None]
    )
    assert gaps[:, ~torch.eye(4, dtype=torch.bool)].min() > 0


def test_planes_hold_the_squared_distance_to_every_sphere(teacher):
    ws = teacher.map_latents(torch.randn(2, teacher.z_dim))
    spheres, points = Spheres.from_latents(ws), torch.rand(2, 200, 3) * 0.9 - 0.45
    expected = 1 + spheres.radii[:, None] ** 2 - torch.cdist(points, spheres.centres) ** 2
    assert torch.allclose(
        teacher.synthesize(ws).sample(points)[..., :4], expected, atol=3 * 0.25 / 128**2 + 1e-5
    )


def test_truncation_zero_is_the_mean_identity_and_the_teacher_never_trains(teacher):
    z = torch.randn(3, teacher.z_dim)
    assert torch.allclose(
        teacher.map_latents(z, truncation=0.0), teacher.mean_latent().expand(3, 1, -1)
    )
    assert not teacher.train().training
    assert not list(teacher.parameters())


def test_pictures_are_differentiable_in_planes_and_latents():
    teacher = ToyTeacher(sharpness=50.0, resolution=8)
    ws = teacher.mean_latent().clone().requires_grad_()
    teacher.render(teacher.synthesize(ws), camera()).image.square().mean().backward()
    assert (ws.grad.abs() > 0).float().mean() > 0.5


def test_its_recipe_rebuilds_its_renderer(teacher):
    target, arguments = teacher.renderer_recipe()
    assert target == "teachers.toy.toy_renderer"
    triplane = teacher.synthesize(teacher.mean_latent())
    again = toy_renderer(**arguments)(triplane, camera(0.3))
    assert torch.equal(again.image, teacher.render(triplane, camera(0.3)).image)


def test_the_proposal_pass_sees_the_same_spheres(teacher):
    renderer = toy_renderer(**{**teacher.renderer_recipe()[1]})
    renderer.load_state_dict(teacher.renderer.state_dict())
    renderer.sampling = dataclasses.replace(renderer.sampling, first_pass="proposal")
    triplane = teacher.synthesize(teacher.mean_latent())
    full, proposed = teacher.renderer(triplane, camera()), renderer(triplane, camera())
    solid = (full.opacity > 0.99) & (proposed.opacity > 0.99)
    assert solid.float().mean() > 0.05
    assert (full.depth - proposed.depth)[solid].abs().median() < 5e-3
