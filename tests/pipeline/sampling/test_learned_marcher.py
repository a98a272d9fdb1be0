"""A proposal network belongs to a teacher, and finds its surfaces with few samples."""

import dataclasses
import json
import math

import pytest
import torch

from pipeline.build.configuration import compose, instantiate
from pipeline.build.sampler import build_sampler
from pipeline.distillation.proposal_scores import dense_images
from pipeline.distillation.proposal_training import draw_views, volume_renderer
from pipeline.losses.proposals import bin_weights
from pipeline.runs.tensor_file import write_tensors
from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.learned_marcher import LearnedMarcher, TrainedProposals
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling, march_learned, probe
from teachers.rendering.marching import RaySampling, march
from teachers.rendering.proposal_network import FAINT, LightProposalNetwork
from teachers.rendering.rendering import RayJitter
from teachers.toy import ToyTeacher
from teachers.wysiwyg.decoder import AsItIs, laplace_density
from tests.builders import orbit_prior

SIDE = 32
CAMERA = Camera.orbit(torch.tensor([0.0, 0.4]), torch.zeros(2))
SAMPLING = RaySampling(near=2.2, far=3.2)
SMALL = {"bins": 64, "width": 8, "narrow": 8}


class Ball:
    """A solid ball with a sharp surface, red; counts what is looked up with colours."""

    density_activation = AsItIs()
    radius = 0.3

    def __init__(self):
        self.points = 0

    def __call__(self, points):
        self.points += points.shape[1]
        return torch.tensor([1.0, 0.0, 0.0]).expand(*points.shape), self.density_logit(points)

    def density_logit(self, points):
        distance = points.norm(dim=-1, keepdim=True) - self.radius
        return laplace_density(distance, torch.tensor(0.002))

    def depths(self, rays):
        """Of the surface; NaN where a ray misses it."""
        nearest = -(rays.origins * rays.directions).sum(-1)
        away = rays.at(nearest[..., None])[..., 0, :].norm(dim=-1)
        return nearest - (self.radius**2 - away.square()).sqrt()


class Oracle:
    """Predicts what is there, and how much light passes."""

    sees_image = False

    def __init__(self, field, sampling):
        seen = probe(field, CAMERA, SIDE, sampling, SMALL["bins"] + 1, has_colors=False)
        masses = bin_weights(field, CAMERA.rays(SIDE), seen.edges, 8)
        self.masses = torch.cat([masses, 1 - masses.sum(-1, keepdim=True)], -1)

    def __call__(self, weights, image, directions):
        assert image is None and weights.shape[-1] == SMALL["bins"]
        return self.masses.clamp(min=1e-9).log()


@pytest.fixture(scope="module")
def toy() -> ToyTeacher:
    return ToyTeacher(resolution=SIDE)


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("has_jitter", [False, True])
def test_a_network_that_knows_finds_the_surface_with_eight_samples(has_jitter):
    ball = Ball()
    jitter = RayJitter(uniform(2, SIDE**2, 0), uniform(2, SIDE**2, 8)) if has_jitter else None
    counts = LearnedSampling(SMALL["bins"] + 1, 8, 8, 0.0, 0.999, emptiest=0.01)
    oracle, ball.points = Oracle(ball, SAMPLING), 0
    found = march_learned(ball, CAMERA, SIDE, SAMPLING, oracle, counts, jitter)
    surface = ball.depths(CAMERA.rays(SIDE))
    hit = surface.isfinite() & (found.opacity > 0.99)
    assert hit.sum() > 400
    error = (found.depth - surface)[hit].abs()  # a bin is .016 wide
    assert error.median() < 0.002 and error.mean() < 0.004
    # rays that see nothing take no look-up; the image that sees most decides for both
    assert ball.points <= 8 * 1.2 * surface.isfinite().sum(1).amax()
    dense = dataclasses.replace(SAMPLING, depth_samples=512, importance_samples=0)
    many = march(ball, CAMERA.rays(SIDE), dense)
    assert (found.features - many.features).abs().mean() < 0.01


def test_where_nothing_is_predicted_nothing_is_looked_up():
    ball = Ball()
    counts = LearnedSampling(SMALL["bins"] + 1, 4, 8, emptiest=0.5)

    def sees_nothing(weights, image, directions):
        return torch.full((2, SIDE**2, SMALL["bins"] + 1), -9.0)

    sees_nothing.sees_image = False
    found = march_learned(ball, CAMERA, SIDE, SAMPLING, sees_nothing, counts)
    assert found.features.shape == (2, SIDE**2, 3) and ball.points == 1
    assert float(found.opacity.abs().max()) == 0
    assert (found.depth == found.farthest[:, None]).all()


def test_an_untrained_network_predicts_what_the_probe_saw():
    network = LightProposalNetwork(**SMALL)
    weights = uniform(1, 16, 64) / 64
    found = network(weights, None, uniform(1, 16, 3)).exp()
    assert found.shape == (1, 256, 65)
    torch.testing.assert_close(found.sum(-1), torch.ones(1, 256))
    corner = torch.cat([weights[0, 0], 1 - weights[0, 0].sum(0, keepdim=True)])
    torch.testing.assert_close(found[0, 0], (corner + FAINT) / (1 + 65 * FAINT))
    finer = LightProposalNetwork(bins=64, finer=2, up=2)(weights, None, uniform(1, 16, 3)).exp()
    assert finer.shape == (1, 64, 129)
    torch.testing.assert_close(finer[..., 0:128:2], finer[..., 1:128:2])


def sampler(teacher, **rendering) -> TeacherSampler:
    return TeacherSampler(
        teacher=teacher,
        cameras=CameraPair(reference=orbit_prior(40), novel=orbit_prior(40)),
        latents=LatentPrior(),
        seed=3,
        novel_rendering=ViewRendering(**rendering),
    )


def test_a_sampler_draws_its_views_with_it_and_other_views_as_before(toy, tmp_path):
    path = tmp_path / "proposals.safetensors"
    TrainedProposals.untrained(toy.passport, **SMALL).save(path)
    marcher = LearnedMarcher(proposals=path, samples=8, hard_samples=12)
    learned, plain = sampler(toy, first_pass=marcher), sampler(toy)
    together, expected = learned([4, 5]), plain([4, 5])
    assert torch.equal(together.reference.rendering.image, expected.reference.rendering.image)
    novel, before = together.novel.rendering.image, expected.novel.rendering.image
    assert not torch.equal(novel, before) and (novel - before).abs().mean() < 0.05
    assert torch.allclose(learned([5]).novel.rendering.image, novel[1:], atol=1e-5)
    renderer = learned.rendering["novel"].apply(toy.renderer)
    assert renderer.ray_samples == (0, 12)
    assert learned.jitter(together.samples, "novel", renderer).fine.shape == (2, SIDE**2, 12)
    cut = dataclasses.replace(renderer.sampling, max_points=50)
    field = toy.renderer.field(together.triplane)
    camera = together.novel.camera
    whole, pieces = (marcher(field, camera, SIDE, s) for s in (renderer.sampling, cut))
    assert torch.allclose(whole.features, pieces.features, atol=1e-6)


def test_gradients_flow_to_planes_alone(toy):
    planes = toy.synthesize(toy.mean_latent()).planes.clone().requires_grad_()
    trained = TrainedProposals.untrained(toy.passport, **SMALL)
    renderer = toy.renderer.changed(first_pass=LearnedMarcher(proposals=trained))
    renderer(toy.passport.triplane(planes), CAMERA[:1]).image.square().mean().backward()
    assert planes.grad.abs().max() > 0 and torch.isfinite(planes.grad).all()
    assert all(weight.grad is None for weight in trained.network.parameters())


def test_another_teacher_s_network_and_other_files_are_refused(toy, tmp_path):
    path = tmp_path / "proposals.safetensors"
    other = dataclasses.replace(toy.passport, source_hash="another", name="another")
    TrainedProposals.untrained(other, **SMALL).save(path)
    with pytest.raises(ValueError, match=r"source_hash: .*proposals\.safetensors has 'another'"):
        sampler(toy, first_pass=LearnedMarcher(proposals=path))
    with pytest.raises(FileNotFoundError, match="distill experiment=proposals"):
        LearnedMarcher(proposals=tmp_path / "none.safetensors")
    write_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)})
    with pytest.raises(ValueError, match="no proposal network that trilift has written"):
        LearnedMarcher(proposals=tmp_path / "other.safetensors")
    said = {"schema": 1, "arguments": {"bins": 3}, "passport": {}, "step": 0}
    write_tensors(path, {"a": torch.zeros(1)}, {"proposals": json.dumps(said)})
    with pytest.raises(ValueError, match="can't be read as a proposal network"):
        LearnedMarcher(proposals=path)
    with pytest.raises(ValueError, match=r"emptiest 2\.0"):
        trained = TrainedProposals.untrained(toy.passport, **SMALL)
        LearnedMarcher(proposals=trained, emptiest=2.0)


def test_the_bundled_teacher_comes_with_a_network_for_its_rays():
    """Its 10 look-ups are nearer to dense images than two passes of 8 + 8 (docs/speed.md)."""
    config = compose("distill", "sampler=fast_learned")
    teacher = instantiate(config.teacher)
    views = draw_views(
        build_sampler(config, teacher).for_scores(0), [FIRST_HELD_OUT, FIRST_HELD_OUT + 1]
    )
    own = volume_renderer(teacher.renderer, None)
    learned = own.changed(first_pass=instantiate(config.sampler.reference_rendering.first_pass))
    dense = dense_images(own, views, 96)

    def psnr(renderer):
        with torch.no_grad():
            error = (renderer(*views).image_raw - dense).square().mean()
        return 10 * math.log10(4 / float(error))

    two_passes = own.changed(first_pass="reused", depth_samples=8, importance_samples=8)
    assert psnr(learned) > max(34, psnr(two_passes) + 6)
