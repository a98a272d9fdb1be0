"""A method's models are loaded when they are needed; the perceptual term names its network."""

import pytest
import torch
from torch import nn

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion import models as models_module
from pipeline.inversion.models import Models
from pipeline.inversion.perceptual import DiscriminatorTerm, LPIPSTerm, lpips_term
from pipeline.inversion.w import W
from pipeline.losses.perceptual import PerceptualLoss
from teachers.checkpoint import BUNDLED, discriminator_of, load_discriminator
from teachers.passport import Passport
from teachers.stylegan.discriminator import Discriminator


def small_discriminator(channels: int = 3) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(
        resolution=16,
        image_channels=channels,
        label_dim=25,
        channel_base=64,
        channel_max=8,
        num_mapping_layers=1,
    )


class Published(PerceptualLoss):
    """LPIPS without its weights."""

    def __init__(self):
        nn.Module.__init__(self)


def test_nothing_is_loaded_before_it_is_needed_and_then_once(toy):
    calls = []
    models = Models(teacher=lambda: calls.append(1) or toy)
    assert calls == []
    assert models.teacher is toy and models.teacher is toy and calls == [1]
    with pytest.raises(ValueError, match="add checkpoint="):
        _ = models.student
    with pytest.raises(ValueError, match="add teacher="):
        _ = Models().teacher


def test_the_term_is_lpips_then_the_discriminator_then_nothing(toy, tmp_path, monkeypatch):
    def missing(passport):
        assert passport is toy.passport
        raise FileNotFoundError("no discriminator")

    assert lpips_term(tmp_path) is None
    assert "none" in Models(weights_folder=tmp_path).perceptual(toy.passport).name
    assert (
        "none"
        in Models(weights_folder=tmp_path, discriminator=missing).perceptual(toy.passport).name
    )
    small = {"weights_folder": tmp_path, "discriminator": lambda passport: small_discriminator()}
    models = Models(**small, teacher=lambda: toy)
    assert "discriminator" in models.perceptual(toy.passport).name
    assert "discriminator" in W(models=models).notes[0]
    monkeypatch.setattr(models_module, "lpips_term", lambda folder: LPIPSTerm(Published(), "vgg16"))
    term = Models(**small).perceptual(toy.passport)
    assert term.name == "LPIPS (vgg16)"


@pytest.mark.parametrize("network, has_published_thresholds", [("alexnet", True), ("vgg16", False)])
def test_published_thresholds_are_of_alexnet(network, has_published_thresholds):
    assert LPIPSTerm(Published(), network).is_lpips == has_published_thresholds


def test_the_discriminator_sees_equal_pictures_as_equal_and_learns_nothing(toy):
    term = DiscriminatorTerm(small_discriminator(), toy.passport)
    camera = orbit_of(toy.passport, [0.0], [0.0])
    latent = toy.mean_latent().clone().requires_grad_()
    rendering = toy.render(toy.synthesize(latent), camera)
    assert term(rendering, rendering.image.detach()) == 0
    other = toy.render(toy.synthesize(toy.map_latents(torch.ones(1, toy.z_dim))), camera).image
    distance = term(rendering, other)
    distance.backward()
    assert 0 < distance < 4 and latent.grad is not None and latent.grad.abs().sum() > 0
    assert list(term.parameters()) == []  # frozen


def test_a_discriminator_of_another_teacher_is_refused(toy):
    with pytest.raises(ValueError, match="don't belong together"):
        Models(
            discriminator=lambda passport: small_discriminator(7), weights_folder="nowhere"
        ).perceptual(toy.passport)


def test_a_student_of_heads_is_never_compared_by_the_discriminator_of_puppets(toy):
    passport = Passport.read(BUNDLED / "heads" / "passport.json")
    found = discriminator_of(passport, "bundled/puppets").state_dict()
    expected = load_discriminator("bundled/heads").state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    with pytest.raises(FileNotFoundError, match="no folder of teacher 'spheres'"):
        discriminator_of(toy.passport, "bundled/puppets")
