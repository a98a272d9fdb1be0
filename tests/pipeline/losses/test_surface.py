"""What a signed distance and its sampler are trained with."""

import pytest
import torch

from pipeline.losses.surface import sampler_loss, surface_losses
from teachers.untrained import untrained_teacher

SETTINGS = {
    "kind": "wysiwyg",
    "z_dim": 8,
    "w_dim": 16,
    "label_dim": 0,
    "plane_resolution": 8,
    "plane_channels": 4,
    "channel_base": 128,
    "channel_max": 8,
    "hidden_channels": 32,
    "near": 2.2,
    "far": 3.2,
    "super_resolution": "none",
    "sr_latent": "none",
    "render_resolution": 16,
    "image_resolution": 16,
    "background": "white",
    "probe_samples": 24,
    "samples": 4,
    "hard_samples": 8,
    "proposal_width": 16,
}


@pytest.fixture
def scene():
    """An untrained teacher draws a ball of sharpness .01; camera and triplane beside its
    renderer.
    """
    teacher = untrained_teacher(SETTINGS)
    renderer = teacher.renderer.requires_grad_(True)
    return (
        renderer,
        teacher.synthesize(teacher.mean_latent()),
        teacher.passport.orbit(torch.tensor([0.3])),
    )


def test_the_sharpness_that_surfaces_have_costs_nothing(scene):
    renderer, triplane, camera = scene
    right, dec = surface_losses(renderer, triplane, camera, beta=0.01, resolution=8, samples=48)
    wrong, _ = surface_losses(renderer, triplane, camera, beta=0.001, resolution=8, samples=48)
    assert float(right) == pytest.approx(0, abs=1e-7)
    assert float(wrong) == pytest.approx(0.009**2, rel=0.05)
    # exp(-2 |d|) of distances of at most half a box's diagonal
    assert 0.1 < float(dec) < 1
    wrong.backward()
    gradient = renderer.decoder.distance[4].weight.grad
    assert gradient[1].abs().max() > 0


def test_the_sampler_learns_where_the_ball_is_and_nothing_else_learns_from_it(scene):
    renderer, triplane, camera = scene
    optimizer = torch.optim.Adam(renderer.proposals.parameters(), 2e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = sampler_loss(renderer, triplane, camera, (4, 4, 8))
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is None for p in renderer.decoder.parameters())
