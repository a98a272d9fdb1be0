"""The saved identity of a teacher whose images take each w contains that w."""

import pytest
import torch

from pipeline.exporters.sampled import sampled_identity
from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.latent_search import LatentSearch
from pipeline.inversion.models import Models
from pipeline.inversion.moving_camera import CameraSearch
from pipeline.inversion.portrait import identity_of
from pipeline.inversion.pti import PTI, Tuning
from pipeline.inversion.w import W
from pipeline.inversion.w_plus import WPlus
from pipeline.lifter import Lifter
from pipeline.sampling.latents import LatentPrior
from teachers.eg3d.teacher import EG3DTeacher, passport_of
from teachers.untrained import untrained_teacher
from tests.pipeline.inversion.small_teacher import TINY
from tests.teachers.panohead.small_panohead import small_generator


def eg3d() -> EG3DTeacher:
    return untrained_teacher(
        {
            **TINY,
            "feature_channels": 8,
            "image_resolution": 128,
            "super_resolution": "2X",
            "sr_latent": "teacher_w",
        }
    )


def panohead(**changes) -> EG3DTeacher:
    generator = small_generator(**changes)
    passport = passport_of(generator.config, name="small", source_hash="0", licence="none")
    return EG3DTeacher(generator, passport)


def same_as_saved(portrait, camera, expected, folder) -> bool:
    """Whether the identity shows what is expected, also when its file is read."""
    portrait.lifter.save(folder / "identity.safetensors")
    read = Lifter.load(folder / "identity.safetensors")
    side = read.passport.image_resolution
    planes = read.lift(torch.zeros(2, 3, side, side))
    again = read.render(planes, camera.expand(2)).image
    return torch.allclose(portrait.render(camera).image, expected, atol=1e-5) and torch.allclose(
        again, expected.expand(2, -1, -1, -1), atol=1e-5
    )


@pytest.mark.parametrize(
    "build",
    [
        eg3d,
        panohead,
        lambda: panohead(background_resolution=0, background="white"),
        lambda: panohead(has_raw_rgb=False),
    ],
    ids=["EG3D", "PanoHead", "without background network", "without raw image"],
)
@torch.no_grad()
def test_the_own_w_goes_with_the_identity(build, tmp_path):
    teacher = build()
    torch.manual_seed(0)
    ws = teacher.map_latents(torch.randn(1, 8))
    camera = orbit_of(teacher.passport, [0.1], [0.0])
    expected = teacher.render(teacher.synthesize(ws), camera, ws=ws).image
    portrait = identity_of(teacher, ws, name="found", camera=camera, courses=())
    assert same_as_saved(portrait, camera, expected, tmp_path)
    assert teacher.renderer.super_resolution.latent == "teacher_w"  # the teacher's own stays
    assert getattr(teacher.renderer, "latent", "teacher_w") == "teacher_w"


@torch.no_grad()
def test_a_sampled_panohead_is_the_one_of_its_latent(tmp_path):
    teacher = panohead()
    ws = teacher.map_latents(LatentPrior().draw_z(3, [2], 8), truncation=0.7)
    camera = orbit_of(teacher.passport, [2.5], [0.0])
    expected = teacher.render(teacher.synthesize(ws), camera, ws=ws).image
    sample = sampled_identity(teacher, 2, seed=3, truncation=0.7)
    assert same_as_saved(sample, camera, expected, tmp_path)


@pytest.mark.parametrize("method", [W, PTI])
def test_an_inversion_of_a_panohead_shows_what_was_searched(method, tmp_path):
    teacher = panohead()
    search = LatentSearch(steps=1, samples=4)
    more = {"tuning": Tuning(steps=1)} if method is PTI else {}
    models = Models(teacher=lambda: teacher)
    portrait = method(
        models=models, search=search, camera=CameraSearch(mode="given"), progress=False, **more
    ).lift(torch.zeros(1, 3, 128, 128))
    view = portrait.render(portrait.camera)
    assert (view.feature_image.std((0, 2, 3)) > 0).any() and view.image.isfinite().all()
    assert same_as_saved(portrait, portrait.camera, view.image, tmp_path)


def test_a_w_for_each_layer_is_refused_before_the_descent_where_the_background_reads_them():
    teacher = panohead()
    with pytest.raises(ValueError, match=r"background network of teacher 'small'.*method=w or pti"):
        WPlus(models=Models(teacher=lambda: teacher))
    ws = torch.randn_like(teacher.mean_latent())
    camera = orbit_of(teacher.passport, [0.0], [0.0])
    with pytest.raises(ValueError, match="an identity stores one"):
        identity_of(teacher, ws, name="found", camera=camera, courses=())
    for able in (panohead(sr_latent="w_mean"), panohead(background_resolution=0), eg3d()):
        WPlus(models=Models(teacher=lambda able=able: able))


@torch.no_grad()
def test_a_w_for_each_layer_is_kept_where_only_the_last_is_read(tmp_path):
    teacher = panohead(background_resolution=0)
    torch.manual_seed(0)
    ws = torch.randn_like(teacher.mean_latent())
    camera = orbit_of(teacher.passport, [0.1], [0.0])
    expected = teacher.render(teacher.synthesize(ws), camera, ws=ws).image
    portrait = identity_of(teacher, ws, name="found", camera=camera, courses=())
    assert same_as_saved(portrait, camera, expected, tmp_path)
