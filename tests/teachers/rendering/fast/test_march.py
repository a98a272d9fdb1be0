"""Pictures of the kernel that marches rays equal those of the readable code."""

import math
from pathlib import Path

import pytest
import torch

from teachers.checkpoint import load_teacher
from teachers.eg3d.decoder import Decoder, EllipsoidPrior
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.fast import march as fast_march
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane

HEAD = EllipsoidPrior([[0.0, 0.0, 0.0, 0.2, 0.25, 0.2]], [[0.0, 0.0, 0.0, 0.1, 0.1, 0.1]])
PUPPETS = Path(__file__).parents[4] / "teachers/pretrained/puppets"


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def decoder(channels: int, hidden: int, features: int, gain: float = 1.0, **settings) -> Decoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = Decoder(
            plane_channels=channels,
            hidden_channels=hidden,
            feature_channels=features,
            density_activation=ShiftedSoftplus(gain),
            **settings,
        )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(drawn(*parameter.shape, seed=parameter.numel()))
    return made.requires_grad_(False)


def cameras(count: int) -> Camera:
    angles = drawn(2, count, seed=5) * 0.5
    return Camera.orbit(angles[0], angles[1], radius=2.7, focal=2.6)


def rendered(renderer, triplane, camera, jitter=None) -> tuple[Rendering, Rendering]:
    pictures = []
    for choice in ("readable", "fast"):
        with use_kernels(choice), torch.no_grad():
            pictures.append(renderer(triplane, camera, None, jitter))
    return pictures[0], pictures[1]


def assert_equal(readable: Rendering, fast: Rendering) -> None:
    difference = (fast.feature_image - readable.feature_image).abs()
    assert difference.max() < 5e-4 and difference.mean() < 1e-5
    assert (fast.opacity - readable.opacity).abs().max() < 2e-4
    seen = readable.opacity > 1e-3
    assert (fast.depth - readable.depth)[seen].abs().max() < 5e-4
    assert fast.depth.isfinite().all()


CASES = {
    "eg3d": ((2, 32, 64, EG3D_AXES), decoder(32, 64, 32), {}, None),
    "dense": ((1, 32, 32, EG3D_AXES), decoder(32, 64, 32, gain=40.0), {}, 1.0),
    "box limits": (
        (2, 16, 16, ORTHOGONAL_AXES),
        decoder(16, 32, 3),
        {"near": None, "far": None},
        0.5,
    ),
    "disparity": ((1, 16, 16, ORTHOGONAL_AXES), decoder(16, 16, 20), {"in_disparity": True}, None),
    "one pass": ((1, 16, 16, EG3D_AXES), decoder(16, 64, 4), {"importance_samples": 0}, None),
    "prior": (
        (2, 16, 32, EG3D_AXES),
        decoder(16, 32, 3, gain=20.0, prior=HEAD, logit_gain=2.0),
        {"depth_samples": 24, "importance_samples": 31},
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("has_jitter", [False, True])
def test_pictures_equal_the_readable_ones(case, has_jitter):
    (batch, channels, size, axes), network, settings, background = CASES[case]
    resolution = 18
    sampling = RaySampling(**{"near": 2.0, "far": 3.4, **settings})
    renderer = TriplaneRenderer(
        decoder=network, sampling=sampling, resolution=resolution, background=background
    )
    jitter = None
    if has_jitter:
        jitter = RayJitter(
            uniform(batch, resolution**2, sampling.depth_samples, seed=1),
            uniform(batch, resolution**2, sampling.importance_samples, seed=2),
        )
    triplane = Triplane(drawn(batch, 3, channels, size, size) * 2, axes)
    readable, fast = rendered(renderer, triplane, cameras(batch), jitter)
    assert_equal(readable, fast)
    assert readable.feature_image.std() > 1e-3


def test_rays_that_miss_the_box_everywhere_equal_the_readable_ones():
    """Their first pass runs backwards, from -1 to -2."""
    sampling = RaySampling(near=None, far=None, depth_samples=8, importance_samples=8)
    renderer = TriplaneRenderer(decoder=decoder(16, 16, 3), sampling=sampling, resolution=4)
    away = Camera.orbit(torch.tensor([0.3]), torch.tensor([0.0]), pivot=(9.0, 0.0, 2.7))
    assert_equal(*rendered(renderer, Triplane(drawn(1, 3, 16, 8, 8)), away))


def test_the_bundled_teacher_renders_the_same_pictures():
    teacher = load_teacher(PUPPETS)
    ws = teacher.map_latents(drawn(2, 128, seed=8), None)
    with torch.no_grad():
        triplane = teacher.synthesize(ws)
    for first_pass in ("reused", "proposal"):
        renderer = teacher.renderer.changed(first_pass=first_pass)
        readable, fast = rendered(
            renderer, triplane, Camera.orbit(*drawn(2, 2).mul(0.3), radius=2.7)
        )
        assert_equal(readable, fast)


def test_the_kernel_is_used_only_without_gradients_and_quirks(monkeypatch):
    calls = []
    composited = fast_march._composited
    monkeypatch.setattr(
        fast_march, "_composited", lambda *args: calls.append(1) or composited(*args)
    )
    sampling = RaySampling(depth_samples=8, importance_samples=8)
    renderer = TriplaneRenderer(decoder=decoder(16, 16, 3), sampling=sampling, resolution=4)
    planes = drawn(1, 3, 16, 8, 8)

    def uses(renderer, planes=planes) -> bool:
        calls.clear()
        with use_kernels("fast"):
            picture = renderer(Triplane(planes), cameras(1)).image
        assert picture.requires_grad == planes.requires_grad
        return bool(calls)

    assert uses(renderer)
    assert not uses(renderer, planes.clone().requires_grad_())
    assert not uses(renderer.changed(compat="official"))
    assert not uses(renderer.changed(first_pass="proposal"))
    other = type("Other", (Decoder,), {})(plane_channels=16, hidden_channels=16)
    prior = torch.nn.Linear(3, 1).requires_grad_(False)
    for network in (
        other.requires_grad_(False), decoder(16, 17, 3), decoder(16, 16, 3, prior=prior),
    ):  # fmt: skip
        assert not uses(renderer.changed(decoder=network))


def test_what_is_invisible_has_no_colour_but_what_is_seen_has_all_of_it():
    """A wall: what stands behind full opacity costs no colours and changes none."""
    network = decoder(16, 16, 3, gain=1e4)
    renderer = TriplaneRenderer(
        decoder=network, sampling=RaySampling(near=2.2, far=3.2), resolution=8
    )
    readable, fast = rendered(renderer, Triplane(drawn(1, 3, 16, 4, 4)), cameras(1))
    assert_equal(readable, fast)
    assert math.isclose(readable.opacity.max(), 1, abs_tol=1e-3)
