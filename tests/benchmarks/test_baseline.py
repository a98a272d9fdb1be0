"""The plain algorithm that speed is measured against computes what the teacher computes."""

import pytest
import torch

from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import RayJitter
from teachers.untrained import untrained_teacher
from tests.benchmarks import baseline

SMALL = {
    "z_dim": 16,
    "w_dim": 16,
    "plane_resolution": 16,
    "plane_channels": 8,
    "channel_base": 256,
    "channel_max": 32,
    "hidden_channels": 16,
    "feature_channels": 8,
    "depth_samples": 8,
    "importance_samples": 8,
    "render_resolution": 64,
    "image_resolution": 128,
    "super_resolution": "2X",
}


def teacher_of(**others) -> EG3DTeacher:
    teacher = untrained_teacher({**SMALL, **others})
    random = torch.Generator().manual_seed(3)
    for name, parameter in teacher.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            parameter.copy_(torch.randn(parameter.shape, generator=random) + parameter)
    return teacher


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"conv_clamp": 1.0, "sr_conv_clamp": 2.0},
        {"noise": "none", "background": "white", "plane_axes": ("xy", "xz", "yz")},
    ],
    ids=["published", "clamped", "white"],
)
@torch.no_grad()
def test_its_image_is_the_teachers(others):
    teacher, batch = teacher_of(**others), 2
    random = torch.Generator().manual_seed(0)
    ws = teacher.map_latents(torch.randn(batch, 16, generator=random))
    camera = Camera.orbit(torch.tensor([-0.3, 0.4]), torch.tensor([0.1, -0.1]))
    jitter = RayJitter(
        torch.rand(batch, 64**2, 8, generator=random), torch.rand(batch, 64**2, 8, generator=random)
    )
    triplane = teacher.synthesize(ws)
    expected = teacher.render(triplane, camera, ws=ws, jitter=jitter)
    planes = baseline.planes(teacher, ws)
    assert torch.allclose(planes, triplane.planes, atol=1e-4)
    features = baseline.feature_image(teacher, planes, camera, jitter)
    assert torch.allclose(features, expected.feature_image, atol=5e-4)
    image = baseline.image(teacher, ws, camera, jitter)
    assert (image - expected.image).abs().max() < 5e-4
    assert (image - expected.image).abs().mean() < 1e-5 * max(1, float(expected.image.abs().mean()))
