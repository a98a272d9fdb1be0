"""A photograph is lifted once and rendered often."""

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter, Recipe
from students.two_stage import TwoStageEncoder
from teachers.rendering.triplane import Triplane
from teachers.toy import ToyTeacher

SMALL = {
    "plane_channels": 16,
    "plane_resolution": 32,
    "image_size": 64,
    "backbone": "compact",
    "backbone_widths": [8, 8, 8],
    "dim": 16,
    "canonical_blocks": 1,
    "canonical_patch_stride": 1,
    "canonical_widths": [8],
    "canonical_upsamplings": 0,
    "detail_widths": [8],
    "detail_strides": [2],
    "fusion_widths": [8],
    "fusion_dim": 16,
    "head_widths": [8],
}


@pytest.fixture
def lifter() -> Lifter:
    torch.manual_seed(0)
    recipe = Recipe("students.two_stage.TwoStageEncoder", SMALL)
    return Lifter.from_teacher(
        encoder=TwoStageEncoder(**SMALL), encoder_recipe=recipe, teacher=ToyTeacher(resolution=16)
    ).train()


def test_the_encoder_runs_once_however_many_views_are_asked_for(lifter):
    calls = []
    lifter.encoder.register_forward_hook(lambda *_: calls.append(1))
    face = Reconstructor(lifter).lift(torch.zeros(1, 3, 64, 64))
    for yaw in (-0.3, 0.0, 0.3):
        face.view(yaw)
    assert len(calls) == 1 and not lifter.training


def test_a_portrait_shows_what_its_planes_hold(lifter):
    teacher = ToyTeacher(resolution=16)
    identity = teacher.synthesize(teacher.map_latents(torch.randn(1, teacher.z_dim)))
    face = Reconstructor(lifter).lift(torch.zeros(1, 3, 64, 64))
    face.triplane = Triplane(identity.planes, identity.axes, identity.box_size)
    cameras = orbit_of(teacher.passport, [-0.4, 0.0, 0.4], [0.1, 0.0, -0.1])
    expected = teacher.render(identity.repeat_interleave(3), cameras)
    rendering = face.render(cameras)
    torch.testing.assert_close(rendering.image, expected.image)
    torch.testing.assert_close(rendering.opacity, expected.opacity)
    assert not rendering.image.requires_grad


def test_the_same_photograph_is_lifted_to_the_same_identity(lifter):
    reconstructor, photograph = Reconstructor(lifter), torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(
        reconstructor.lift(photograph).view(0.2).image,
        reconstructor.lift(photograph).view(0.2).image,
    )


def test_pictures_are_asked_for_at_the_size_that_the_encoder_was_made_for(lifter):
    assert Reconstructor(lifter).image_size == 64
    assert Reconstructor(lifter, image_size=96).image_size == 96
