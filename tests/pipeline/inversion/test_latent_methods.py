"""W, W+ and PTI against identities that the teacher itself drew."""

import copy

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.descent import Course
from pipeline.inversion.latent_search import LatentSearch
from pipeline.inversion.locality import Locality
from pipeline.inversion.moving_camera import CameraSearch
from pipeline.inversion.perceptual import PerceptualTerm
from pipeline.inversion.pti import PTI, Tuning
from pipeline.inversion.w import W
from pipeline.inversion.w_plus import WPlus
from pipeline.lifter import Lifter
from teachers.eg3d.teacher import weights_sha256

QUICK = LatentSearch(steps=45, samples=60, learning_rate=5e-3)


def drawn(teacher, ws, camera):
    return teacher.render(teacher.synthesize(ws), camera, ws=ws).image.detach()


def error(portrait, camera, image) -> float:
    return (portrait.render(camera).image - image).square().mean().item()


@pytest.fixture(scope="module")
def toy_identity(toy):
    """An identity of the toy teacher, the camera that took the photograph, and the photograph."""
    ws = toy.map_latents(torch.randn(1, toy.z_dim, generator=torch.Generator().manual_seed(3)))
    camera = orbit_of(toy.passport, [0.2], [0.1])
    return ws, camera, drawn(toy, ws, camera)


@pytest.fixture(scope="module")
def mixed_identity(tiny):
    """An identity of the small EG3D with a different latent in each layer: in W+, but not in W."""
    z = torch.randn(
        tiny.mean_latent().shape[1], tiny.z_dim, generator=torch.Generator().manual_seed(5)
    )
    ws = tiny.map_latents(z)[:, 0][None]
    camera = orbit_of(tiny.passport, [-0.2], [0.0])
    return ws, camera, drawn(tiny, ws, camera)


SEARCH = LatentSearch(steps=25, samples=60, learning_rate=0.05)


@pytest.fixture(scope="module")
def mixed_portraits(tiny_models, mixed_identity):
    _, camera, image = mixed_identity
    settings = {"models": tiny_models, "search": SEARCH, "progress": False}
    return {
        "w": W(**settings).lift(image, camera),
        "w_plus": WPlus(**settings).lift(image, camera),
        "pti": PTI(**settings, tuning=Tuning(steps=25, learning_rate=5e-3)).lift(image, camera),
    }


def test_w_recovers_an_identity_of_the_teacher_also_from_another_side(
    toy, toy_models, toy_identity
):
    ws, camera, image = toy_identity
    with torch.no_grad():  # as an evaluation calls it
        portrait = W(models=toy_models, search=QUICK, progress=False).lift(image, camera)
    side = orbit_of(toy.passport, [-0.4], [0.0])
    for view, reference in ((camera, image), (side, drawn(toy, ws, side))):
        mean = (drawn(toy, toy.mean_latent(), view) - reference).square().mean().item()
        assert error(portrait, view, reference) < mean / 10
    assert torch.equal(portrait.camera.label(), camera.label())  # a given camera stays


def test_an_unknown_camera_and_a_wrong_one_are_found(toy, toy_models, toy_identity):
    _, camera, image = toy_identity
    search = LatentSearch(steps=30, samples=60, latent_noise=0)
    reference = camera.cam_to_world[0, :3, 3]
    for given, mode in ((orbit_of(toy.passport, [0.35], [0.05]), "optimised"), (None, "auto")):
        settings = CameraSearch(mode=mode, preheat=30, yaws_deg=[-20, 0, 20], pitches_deg=[0])
        portrait = W(models=toy_models, search=search, camera=settings, progress=False).lift(
            image, given
        )
        off = 0.35 if given is not None else 0.2
        assert (portrait.camera.cam_to_world[0, :3, 3] - reference).norm() < 2.7 * off / 2
        assert torch.allclose(
            portrait.camera.cam_to_world[0, :3, :3] @ portrait.camera.cam_to_world[0, :3, :3].mT,
            torch.eye(3),
            atol=1e-5,
        )


def test_the_frontal_camera_stands_in_for_none_where_none_is_looked_for(
    toy, toy_models, toy_identity
):
    settings = CameraSearch(mode="given")
    portrait = W(
        models=toy_models, search=LatentSearch(steps=1, samples=10), camera=settings, progress=False
    ).lift(toy_identity[2])
    assert torch.allclose(portrait.camera.label(), orbit_of(toy.passport, [0.0], [0.0]).label())


def test_a_latent_for_each_layer_fits_better_and_a_tuned_generator_better_than_w(
    mixed_identity, mixed_portraits
):
    _, camera, image = mixed_identity
    errors = {name: error(portrait, camera, image) for name, portrait in mixed_portraits.items()}
    assert errors["w_plus"] < errors["w"] and errors["pti"] < errors["w"] / 2


def test_pti_leaves_the_teacher_as_it_was(tiny, tiny_models, mixed_identity):
    before = weights_sha256(tiny.generator)
    _, camera, image = mixed_identity
    portrait = PTI(
        models=tiny_models,
        search=LatentSearch(steps=1, samples=10),
        tuning=Tuning(steps=2),
        progress=False,
    ).lift(image, camera)
    assert weights_sha256(tiny.generator) == before
    assert not any(
        parameter.requires_grad for parameter in [*tiny.parameters(), *portrait.lifter.parameters()]
    )
    own, tuned = tiny.renderer.state_dict(), portrait.lifter.renderer.state_dict()
    assert any(not torch.equal(own[name], tuned[name]) for name in own)


def test_the_same_seed_gives_the_same_identity(tiny_models, mixed_identity, mixed_portraits):
    _, camera, image = mixed_identity
    settings = {"models": tiny_models, "search": SEARCH, "progress": False}
    again = W(**settings).lift(image, camera)
    assert torch.equal(again.triplane.planes, mixed_portraits["w"].triplane.planes)
    assert again.losses == mixed_portraits["w"].losses
    other = W(
        models=tiny_models, search=LatentSearch(steps=2, samples=60), seed=1, progress=False
    ).lift(image, camera)
    assert other.losses[0] != again.losses[0]


def test_a_found_identity_is_a_lifter_that_can_be_saved_and_read(
    mixed_portraits, mixed_identity, tmp_path
):
    _, camera, _ = mixed_identity
    portrait = mixed_portraits["pti"]
    portrait.lifter.save(tmp_path / "identity.safetensors")
    read = Lifter.load(tmp_path / "identity.safetensors")
    picture = read.render(read.lift(torch.zeros(1, 3, 12, 12)), camera).image
    assert torch.equal(picture, portrait.render(camera).image)
    assert "tuned to one photograph" in read.passport.name


class Threshold(PerceptualTerm):
    """Says LPIPS, and that all is well."""

    is_lpips = True

    def forward(self, prediction, target):
        return prediction.image.mean() * 0 + 0.05


def test_tuning_ends_at_the_published_lpips(tiny_models, mixed_identity):
    _, camera, image = mixed_identity
    method = PTI(
        models=tiny_models,
        search=LatentSearch(steps=1, samples=10),
        tuning=Tuning(steps=5),
        progress=False,
    )
    assert len(method.lift(image, camera).courses[-1].losses) == 5
    method.term = Threshold()
    assert len(method.lift(image, camera).courses[-1].losses) == 1


def test_the_locality_term_keeps_a_neighbour_as_it_was(tiny, tiny_models, mixed_identity):
    _, camera, image = mixed_identity
    neighbour = tiny.map_latents(
        torch.randn(4, tiny.z_dim, generator=torch.Generator().manual_seed(9))
    )
    changes = []
    for weight in (0.0, 100.0):
        method = PTI(
            models=tiny_models,
            search=LatentSearch(steps=2, samples=10),
            tuning=Tuning(steps=12, learning_rate=5e-3),
            locality=Locality(weight=weight),
            progress=False,
        )
        found = method.find(image, camera)
        tuned = copy.deepcopy(tiny)
        method._tune(found, tuned, method.loss(image))
        four = camera.expand(4)
        changes.append(
            (drawn(tuned, neighbour, four) - drawn(tiny, neighbour, four)).square().mean().item()
        )
    assert changes[1] < changes[0] / 2


def test_what_can_not_be_inverted_is_refused(toy, toy_models, tiny_models):
    method = W(models=toy_models, search=QUICK, progress=False)
    with pytest.raises(ValueError, match="aren't finite"):
        method.lift(torch.full((1, 3, 16, 16), float("nan")))
    with pytest.raises(ValueError, match="crop it first"):
        method.lift(torch.zeros(1, 3, 16, 20))
    with pytest.raises(ValueError, match="has none"):
        PTI(models=toy_models)
    with pytest.raises(ValueError, match=r"camera\.mode"):
        CameraSearch(mode="guess")


def test_the_course_says_what_went_wrong():
    assert Course().note("W") == ()
    assert "2 updates reverted" in Course(losses=[1.0], taken_back=2).note("W")[0]
