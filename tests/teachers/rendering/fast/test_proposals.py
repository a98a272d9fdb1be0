"""`march_proposals` in kernels equals the readable code, in value and gradient."""

import dataclasses

import pytest
import torch

from teachers.eg3d.decoder import Decoder, EllipsoidPrior
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.fast import proposals as fast_proposals
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane

HEAD = EllipsoidPrior([[0.0, 0.0, 0.0, 0.2, 0.25, 0.2]], [[0.0, 0.0, 0.0, 0.1, 0.1, 0.1]])
RESOLUTION = 18


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def decoder(channels: int, hidden: int, features: int, gain: float = 1.0, **settings) -> Decoder:
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
    return made


CASES = {
    "eg3d": ((2, 32, 64, EG3D_AXES), decoder(32, 64, 32, gain=4.0), {}, None),
    "box limits": (
        (2, 16, 16, ORTHOGONAL_AXES),
        decoder(16, 32, 3),
        {"near": None, "far": None},
        0.5,
    ),
    "disparity": ((1, 16, 16, ORTHOGONAL_AXES), decoder(16, 16, 20), {"in_disparity": True}, None),
    "prior": (
        (3, 16, 32, EG3D_AXES),
        decoder(16, 32, 3, gain=20.0, prior=HEAD, logit_gain=2.0),
        {"depth_samples": 24, "importance_samples": 31},
        None,
    ),
}  # fmt: skip


def sampling_of(settings: dict) -> RaySampling:
    return RaySampling(
        **{"near": 2.0, "far": 3.4, "depth_samples": 16, "importance_samples": 12, **settings},
        first_pass="proposal",
    )


def cameras(count: int) -> Camera:
    angles = drawn(2, count, seed=5) * 0.5
    return Camera.orbit(angles[0], angles[1], radius=2.7, focal=2.6)


def both(renderer, triplane, camera, jitter):
    """Pictures and gradients of planes and decoder: readable, fast."""
    results = []
    for choice in ("readable", "fast"):
        planes = triplane.planes.clone().requires_grad_()
        parameters = list(renderer.decoder.parameters())
        with use_kernels(choice):
            seen = renderer(triplane.with_planes(planes), camera, None, jitter)
        loss = seen.feature_image.sin().sum() + seen.opacity.square().sum()
        slopes = torch.autograd.grad(loss, [planes, *parameters])
        results.append((seen, slopes))
    return results


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("has_jitter", [False, True])
def test_pictures_and_gradients_equal_the_readable_ones(case, has_jitter):
    (batch, channels, size, axes), network, settings, background = CASES[case]
    sampling = sampling_of(settings)
    renderer = TriplaneRenderer(
        decoder=network, sampling=sampling, resolution=RESOLUTION, background=background
    )
    jitter = None
    if has_jitter:
        jitter = RayJitter(
            uniform(batch, RESOLUTION**2, sampling.depth_samples, seed=1),
            uniform(batch, RESOLUTION**2, sampling.importance_samples, seed=2),
        )
    triplane = Triplane(drawn(batch, 3, channels, size, size) * 2, axes)
    (readable, slopes), (fast, found) = both(renderer, triplane, cameras(batch), jitter)
    difference = (fast.feature_image - readable.feature_image).abs()
    assert difference.max() < 5e-4 and difference.mean() < 1e-5
    assert (fast.opacity - readable.opacity).abs().max() < 2e-4
    seen = readable.opacity > 1e-3
    assert (fast.depth - readable.depth)[seen].abs().max() < 5e-4
    assert torch.allclose(fast.depth[~seen], readable.depth[~seen], atol=5e-4)
    assert readable.feature_image.std() > 1e-3
    for expected, got in zip(slopes, found, strict=True):
        # samples differ by rounding; test_rays.py compares gradients at the same ones
        assert (got - expected).abs().mean() < 1e-3 * expected.abs().mean()


def test_rays_that_see_nothing_are_empty():
    prior = EllipsoidPrior([[0.0, 0.0, 0.0, 0.05, 0.05, 0.05]], low=-40.0)
    network = decoder(16, 16, 3, gain=20.0, prior=prior, logit_gain=0.0)
    renderer = TriplaneRenderer(
        decoder=network, sampling=sampling_of({}), resolution=RESOLUTION
    ).requires_grad_(False)
    triplane = Triplane(drawn(1, 3, 16, 8, 8))
    pictures = []
    for choice in ("readable", "fast"):
        with use_kernels(choice):
            pictures.append(renderer(triplane, cameras(1)))
    readable, fast = pictures
    assert 0.3 < (readable.opacity == 0).float().mean() < 1
    assert torch.equal(fast.opacity == 0, readable.opacity == 0)
    assert torch.allclose(fast.depth, readable.depth, atol=5e-4)


def test_the_kernels_are_used_only_where_they_cover_what_is_asked_for(monkeypatch):
    calls = []
    composite = fast_proposals.fast_rays.composite
    monkeypatch.setattr(
        fast_proposals.fast_rays, "composite", lambda *args: calls.append(1) or composite(*args)
    )
    renderer = TriplaneRenderer(decoder=decoder(16, 16, 3), sampling=sampling_of({}), resolution=4)
    planes, camera = drawn(1, 3, 16, 8, 8), cameras(1)

    def uses(renderer, planes=planes, camera=camera, choice="fast", depth=1) -> bool:
        calls.clear()
        with use_kernels(choice):
            renderer(Triplane(planes, depth=depth), camera)
        return bool(calls)

    assert uses(renderer)
    assert uses(renderer, planes.clone().requires_grad_())
    assert not uses(renderer, choice="readable")
    moving = dataclasses.replace(camera, cam_to_world=camera.cam_to_world.clone().requires_grad_())
    assert not uses(renderer, camera=moving)
    other = renderer.changed(decoder=decoder(16, 8, 3))  # half a vector of hidden values
    assert not uses(other)
    assert not uses(renderer, drawn(1, 3, 32, 8, 8), depth=2)
