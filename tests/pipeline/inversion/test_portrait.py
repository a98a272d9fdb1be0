"""The saved identity of a teacher with a super-resolution in each w contains that w."""

import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.portrait import identity_of
from pipeline.lifter import Lifter
from teachers.untrained import untrained_teacher
from tests.pipeline.inversion.small_teacher import TINY


def test_the_own_w_goes_with_the_identity(tmp_path):
    teacher = untrained_teacher(
        {
            **TINY,
            "feature_channels": 8,
            "image_resolution": 128,
            "super_resolution": "2X",
            "sr_latent": "teacher_w",
        }
    )
    torch.manual_seed(0)
    ws = teacher.map_latents(torch.randn(1, 8))
    camera = orbit_of(teacher.passport, [0.1], [0.0])
    expected = teacher.render(teacher.synthesize(ws), camera, ws=ws).image
    portrait = identity_of(teacher, ws, name="found", camera=camera, courses=())
    assert torch.allclose(portrait.render(camera).image, expected)
    assert teacher.renderer.super_resolution.latent == "teacher_w"  # the teacher's own stays
    portrait.lifter.save(tmp_path / "identity.safetensors")
    read = Lifter.load(tmp_path / "identity.safetensors")
    planes = read.lift(torch.zeros(2, 3, 8, 8))
    assert torch.allclose(
        read.render(planes, camera.expand(2)).image, expected.expand(2, -1, -1, -1), atol=1e-5
    )
