"""A signed distance on a triplane, rendered in every pixel with few samples."""

import dataclasses
import math

import pytest
import torch

from pipeline.lifter import Lifter, Recipe
from students.stored_planes import StoredPlanes
from teachers.checkpoint import BUNDLED, load_teacher
from teachers.eg3d.teacher import EG3DTeacher, passport_of, save_eg3d
from teachers.kinds import freeze
from teachers.passport import Passport
from teachers.rendering import learned_sampling
from teachers.rendering.camera import Camera, Rays
from teachers.rendering.compositing import interval_weights
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import RaySampling, look_up, march
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane
from teachers.teacher import Teacher
from teachers.wysiwyg.configuration import WysiwygConfiguration
from teachers.wysiwyg.decoder import DistanceDecoder, ellipsoid_distance, laplace_density
from teachers.wysiwyg.generator import WysiwygGenerator, wysiwyg_renderer

SMALL = {
    "z_dim": 8,
    "w_dim": 16,
    "label_dim": 0,
    "plane_resolution": 16,
    "plane_channels": 4,
    "plane_axes": ORTHOGONAL_AXES,
    "channel_base": 128,
    "channel_max": 8,
    "hidden_channels": 32,
    "geometry_channels": 8,
    "color_hidden": 16,
    "near": 2.2,
    "far": 3.2,
    "depth_samples": 12,
    "importance_samples": 12,
    "render_resolution": 16,
    "image_resolution": 16,
    "background": "white",
    "super_resolution": "none",
    "sr_latent": "none",
    "probe_samples": 24,
    "samples": 6,
    "hard_samples": 12,
    "proposal_width": 16,
}


@pytest.fixture
def teacher():
    torch.manual_seed(0)
    config = WysiwygConfiguration(**SMALL)
    passport = passport_of(config, name="small", source_hash="seed 0", licence="Apache-2.0")
    return EG3DTeacher(WysiwygGenerator(config), passport)


class Ball:
    """A solid ball with a sharp surface, red from everywhere."""

    radius, beta = 0.3, 0.004

    def __call__(self, points):
        distance = points.norm(dim=-1, keepdim=True) - self.radius
        density = laplace_density(distance, torch.tensor(self.beta))
        return torch.tensor([1.0, 0.0, 0.0]).expand(*points.shape), density

    def density_activation(self, logits):
        return logits


def test_the_density_is_the_laplace_distribution_s():
    beta = torch.tensor(0.01)
    distances = torch.tensor([-0.5, -0.01, 0.0, 0.01, 0.5])
    density = laplace_density(distances, beta)
    expected = [100.0, 100 * (1 - 0.5 * math.exp(-1)), 50.0, 50 * math.exp(-1), 0.0]
    torch.testing.assert_close(density, torch.tensor(expected), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("box_size", [1.0, 0.9])
def test_an_untrained_distance_is_that_of_a_ball_and_its_sharpness_the_mean(box_size):
    torch.manual_seed(0)
    decoder = DistanceDecoder(
        plane_channels=4, box_size=box_size, hidden=128, geometry=64, color_hidden=64,
        position_frequencies=6, direction_frequencies=2, radius=0.25,
    )  # fmt: skip
    points = (torch.rand(1, 2000, 3) - 0.5) * box_size
    distance, beta = decoder.distance_and_beta(torch.randn(1, 2000, 4), points)
    error = distance[..., 0] - (points.norm(dim=-1) - 0.25)
    assert error.abs().mean() < 0.01
    assert float(beta.min()) == float(beta.max()) == pytest.approx(0.01)


ELLIPSOIDS = [[0.0, 0.05, 0.0, 0.2, 0.25, 0.2]]


def test_a_distance_to_ellipsoids_is_exact_for_a_ball_and_vanishes_on_their_surface():
    ball, points = torch.tensor([[0.1, 0.0, 0.0, 0.2, 0.2, 0.2]]), torch.rand(50, 3) - 0.5
    from_ball = (points - ball[0, :3]).norm(dim=-1, keepdim=True) - 0.2
    torch.testing.assert_close(ellipsoid_distance(points, ball), from_ball, rtol=1e-4, atol=1e-5)
    centre = ellipsoid_distance(torch.tensor(ELLIPSOIDS)[:, :3], torch.tensor(ELLIPSOIDS))
    assert float(centre) == pytest.approx(-0.2, abs=1e-4)
    top = ellipsoid_distance(torch.tensor([[0.0, 0.3, 0.0]]), torch.tensor(ELLIPSOIDS))
    assert float(top) == pytest.approx(0.0, abs=1e-5)


def test_an_untrained_distance_starts_from_the_prior_and_the_core_stays_whatever_is_learnt():
    torch.manual_seed(0)
    decoder = DistanceDecoder(
        plane_channels=4, box_size=1.0, hidden=64, geometry=8, color_hidden=16,
        position_frequencies=6, direction_frequencies=2, radius=0.25, prior=ELLIPSOIDS,
        solid=[[0.0, 0.05, 0.0, 0.1, 0.12, 0.1]],
    )  # fmt: skip
    points = (torch.rand(1, 2000, 3) - 0.5) * 0.9
    true = ellipsoid_distance(points, torch.tensor(ELLIPSOIDS))
    distance = decoder.distance_and_beta(torch.randn(1, 2000, 4), points)[0]
    assert (distance - true).abs().mean() < 0.015
    torch.nn.init.constant_(decoder.distance[4].bias, 1.0)  # empty everywhere
    distance = decoder.distance_and_beta(torch.randn(1, 2000, 4), points)[0]
    is_core = ellipsoid_distance(points, decoder.solid) < 0
    assert is_core.any() and torch.equal(distance < 0, is_core)


def test_stratified_jitter_has_its_whole_range_in_every_bin(monkeypatch):
    given, deal = [], learned_sampling.depths_in_bins

    def recorded(edges, bins, count, jitter):
        given.append(jitter)
        return deal(edges, bins, count, jitter)

    monkeypatch.setattr(learned_sampling, "depths_in_bins", recorded)
    counts = LearnedSampling(probe_samples=12, samples=4, hard_samples=4, hard_share=0.0)
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1))
    jitter = RayJitter.stratified(torch.rand(1, 256, 0), torch.rand(1, 256, 4))
    march_learned(
        Ball(), camera, 16, RaySampling(near=2.2, far=3.2),
        lambda weights, colors, directions: torch.zeros(1, 256, 11), counts, jitter,
    )  # fmt: skip
    (places,) = given
    assert (places.mean((0, 1)) - 0.5).abs().max() < 0.1


def test_planes_are_multiplied(teacher):
    triplane = teacher.synthesize(teacher.mean_latent())
    assert triplane.aggregation == teacher.passport.aggregation == "product"
    points = torch.rand(1, 50, 3) - 0.5
    single = [
        Triplane(triplane.planes[:, [n, n, n]], (axes, axes, axes)).sample(points)
        for n, axes in enumerate(ORTHOGONAL_AXES)
    ]
    torch.testing.assert_close(triplane.sample(points), single[0] * single[1] * single[2])
    assert teacher.passport.triplane(triplane.planes).aggregation == "product"


def test_few_samples_where_they_belong_draw_what_many_uniform_ones_draw():
    """With a network that knows the truth, 8 samples a ray are within .01 of 512."""
    resolution, ball = 16, Ball()
    camera = Camera.orbit(torch.tensor([0.0, 0.4]), torch.zeros(2))
    counts = LearnedSampling(probe_samples=96, samples=8, hard_samples=16)
    sampling = RaySampling(near=2.2, far=3.2, depth_samples=96, importance_samples=0)

    class Oracle(torch.nn.Module):
        def forward(self, weights, image, directions):
            rays = camera.rays(resolution)
            steps = 2.2 + (torch.arange(96) + 0.5) / 95
            depths = steps.expand(*rays.directions.shape[:2], -1)
            logits = look_up(ball, rays, depths)[1]
            found = interval_weights(logits, depths, activation=ball.density_activation)
            return (found + 1e-7).log()

    few = march_learned(ball, camera, resolution, sampling, Oracle(), counts)
    many = march(
        ball,
        camera.rays(resolution),
        RaySampling(near=2.2, far=3.2, depth_samples=512, importance_samples=0),
    )
    assert counts.mean_samples == pytest.approx(8 * 0.9 + 16 * 0.1 + 96 / 16)
    assert (few.features - many.features).abs().mean() < 0.01
    hit = many.opacity > 0.99
    assert hit.sum() > 60
    assert (few.depth - many.depth)[hit].abs().max() < 0.01
    uniform = march(
        ball,
        camera.rays(resolution),
        RaySampling(near=2.2, far=3.2, depth_samples=15, importance_samples=0),
    )
    errors = [(found.depth - many.depth)[hit].abs().mean() for found in (few, uniform)]
    assert errors[1] > 3 * errors[0]


def test_an_untrained_teacher_draws_a_ball_and_passes_gradients_to_its_planes(teacher):
    assert isinstance(teacher, Teacher)
    triplane = teacher.synthesize(teacher.mean_latent())
    planes = triplane.planes.clone().requires_grad_()
    camera = teacher.passport.orbit(torch.tensor([0.0]))
    drawn = teacher.render(triplane.with_planes(planes), camera)
    assert drawn.image.shape == (1, 3, 16, 16)
    assert drawn.opacity[0, 0, 8, 8] > 0.99 and drawn.opacity[0, 0, 0, 0] < 0.01
    drawn.image.square().mean().backward()
    assert torch.isfinite(planes.grad).all()


def test_colours_depend_on_the_view_in_training_alone(teacher):
    triplane = teacher.synthesize(teacher.mean_latent())
    points = torch.rand(1, 20, 3) - 0.5
    renderer = teacher.renderer
    frontal, density = renderer.field(triplane)(points)
    renderer.sees_directions = True
    field = renderer.field(triplane)
    rays = Rays(
        points - torch.tensor([0.0, 0.0, -1.0]), torch.tensor([0.0, 0.0, -1.0]).expand(1, 20, 3)
    )
    same, _ = look_up(field, rays, torch.ones(1, 20, 1))
    torch.testing.assert_close(same[:, :, 0], frontal, rtol=1e-4, atol=1e-4)
    side = torch.tensor([1.0, 0.0, 0.0]).expand(1, 20, 3)
    other, logits = look_up(field, Rays(points - side, side), torch.ones(1, 20, 1))
    torch.testing.assert_close(logits, density, rtol=1e-4, atol=1e-4)
    assert (other[:, :, 0] - frontal).abs().max() > 1e-3


def test_a_folder_comes_back_as_it_was(teacher, tmp_path):
    save_eg3d(tmp_path / "teacher", teacher)
    read = load_teacher(tmp_path / "teacher")
    assert read.passport == teacher.passport
    camera = teacher.passport.orbit(torch.tensor([0.5]))
    with torch.inference_mode():
        pictures = [t.render(t.synthesize(t.mean_latent()), camera).image for t in (teacher, read)]
    assert torch.equal(*pictures)


def test_the_recipe_builds_the_renderer_of_a_student(teacher):
    address, arguments = teacher.renderer_recipe()
    assert address == "teachers.wysiwyg.generator.wysiwyg_renderer"
    built = wysiwyg_renderer(**arguments)
    built.load_state_dict(teacher.renderer.state_dict())
    assert built.ray_samples == (0, 12)


@pytest.mark.parametrize(("name", "value"), [("feature_gain", 0.5), ("sphere_radius", 0.2)])
def test_what_changes_images_beside_the_weights_is_in_the_passport(teacher, name, value):
    assert name not in teacher.passport.options  # as in passports from before
    config = dataclasses.replace(teacher.configuration, **{name: value})
    other = passport_of(config, name="small", source_hash="seed 0", licence="Apache-2.0")
    assert other.options[name] == value
    with pytest.raises(ValueError, match=name):
        teacher.passport.require_same(other, mine="student", others="teacher")


def test_the_bundled_teacher_and_its_students_still_belong_together(tmp_path):
    bundled = load_teacher("bundled/puppets_wysiwyg")
    stored = Passport.read(BUNDLED / "puppets_wysiwyg" / "passport.json")
    assert bundled.passport == stored and "feature_gain" not in stored.options
    arguments = {"plane_channels": 16, "plane_resolution": 64, "image_size": 64}
    recipe = Recipe("students.stored_planes.StoredPlanes", arguments)
    student = Lifter.from_teacher(
        encoder=StoredPlanes(**arguments), encoder_recipe=recipe, teacher=bundled
    )
    student.save(tmp_path / "student.safetensors")
    read = Lifter.load(tmp_path / "student.safetensors")
    read.passport.require_same(bundled.passport, mine="student", others="teacher")
    assert read.renderer.decoder.feature_gain == bundled.configuration.feature_gain == 0.144
    # The same weights, trained here today, are of the same source and say what stored ones don't.
    today = freeze(bundled.generator, name="again", licence="Apache-2.0").passport
    assert today.source_hash == stored.source_hash
    assert today.options == {**stored.options, "feature_gain": 0.144}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"super_resolution": "2X", "sr_latent": "w_mean"}, "renders every pixel"),
        ({"samples": 20}, "20 and 12"),
        ({"mass": 1.5}, "mass is 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_value(changes, words):
    with pytest.raises(ValueError, match=words):
        WysiwygConfiguration(**{**SMALL, **changes})
