"""`march_learned` in kernels equals the readable code."""

import pytest
import torch

from teachers.eg3d.decoder import Decoder, EllipsoidPrior
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.fast import learned
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import RaySampling
from teachers.rendering.proposal_network import LightProposalNetwork
from teachers.rendering.renderer import TriplaneField
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

SIDE = 20
HEAD = EllipsoidPrior([[0.0, 0.0, 0.0, 0.2, 0.25, 0.2]], [[0.0, 0.0, 0.0, 0.1, 0.1, 0.1]])
SAMPLING = RaySampling(near=2.0, far=3.4)
CAMERA = Camera.orbit(torch.tensor([0.3, -0.5]), torch.tensor([0.1, 0.0]), radius=2.7, focal=2.6)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def scene() -> tuple[TriplaneField, LightProposalNetwork]:
    decoder = Decoder(
        plane_channels=16,
        hidden_channels=32,
        feature_channels=3,
        density_activation=ShiftedSoftplus(20.0),
        prior=HEAD,
        logit_gain=2.0,
    )
    network = LightProposalNetwork(bins=24, finer=2, up=2, width=16, narrow=16)
    for module in (decoder, network):
        for parameter in module.requires_grad_(False).parameters():
            parameter.copy_(0.4 * drawn(*parameter.shape, seed=parameter.numel()))
    return TriplaneField(Triplane(drawn(2, 3, 16, 32, 32) * 2), decoder), network


@pytest.mark.parametrize("has_jitter", [False, True])
@pytest.mark.parametrize(
    "counts",
    [
        LearnedSampling(25, 6, 12, 0.1, 0.98, emptiest=0.05),
        LearnedSampling(25, 5, 30, 0.2, 0.9),
        LearnedSampling(25, 8, 8, 0.0, 0.6, emptiest=0.2),
    ],
)
def test_pictures_equal_the_readable_ones(scene, counts, has_jitter):
    field, network = scene
    jitter = None
    if has_jitter:
        numbers = torch.rand(2, SIDE**2, counts.hard_samples, generator=torch.Generator())
        jitter = RayJitter(numbers[..., :0], numbers)
    pictures = []
    for choice in ("readable", "fast"):
        with use_kernels(choice):
            pictures.append(march_learned(field, CAMERA, SIDE, SAMPLING, network, counts, jitter))
    readable, fast = pictures
    # a bin that rounding keeps or drops moves a ray's samples
    near = (fast.features - readable.features).abs().amax(-1) < 1e-3
    assert near.float().mean() > 0.98 and readable.features.std() > 1e-2
    assert torch.allclose(fast.opacity[near], readable.opacity[near], atol=1e-3)
    assert torch.equal(fast.opacity == 0, readable.opacity == 0)
    seen = near & (readable.opacity > 1e-2)
    assert (fast.depth - readable.depth)[seen].abs().mean() < 1e-3
    assert torch.equal(fast.nearest, readable.nearest)


def test_the_kernels_are_used_where_nothing_needs_a_gradient(scene, monkeypatch):
    field, network = scene
    counts, found = LearnedSampling(25, 4, 8), []
    march = learned.march
    monkeypatch.setattr(learned, "march", lambda *a: found.append(march(*a)) or found[-1])

    def uses(planes) -> bool:
        moved = TriplaneField(field.triplane.with_planes(planes), field.decoder)
        with use_kernels("fast"):
            march_learned(moved, CAMERA, SIDE, SAMPLING, network, counts)
        return found[-1] is not None

    planes = field.triplane.planes
    assert uses(planes) and not uses(planes.clone().requires_grad_())
    with torch.no_grad():
        assert uses(planes.clone().requires_grad_())
