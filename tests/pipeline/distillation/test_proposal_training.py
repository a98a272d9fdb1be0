"""A proposal network learns where a frozen teacher's rays need samples."""

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.distillation.proposal_scores import dense_images
from pipeline.distillation.proposal_training import (
    ProposalSettings,
    ProposalTraining,
    draw_views,
    volume_renderer,
)
from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.learned_marcher import LearnedMarcher, TrainedProposals
from pipeline.sampling.sampler import TeacherSampler
from pipeline.verbs import distill
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.builders import orbit_prior

NETWORK = {"bins": 16, "finer": 2, "up": 2, "width": 16, "narrow": 16}


@pytest.fixture(scope="module")
def toy_sampler() -> TeacherSampler:
    cameras = CameraPair(reference=orbit_prior(40), novel=orbit_prior(10))
    return TeacherSampler(
        teacher=ToyTeacher(resolution=32), cameras=cameras, latents=LatentPrior(), seed=0
    )


def test_a_short_training_brings_images_nearer_to_dense_ones(toy_sampler, tmp_path):
    torch.manual_seed(0)
    toy = toy_sampler.teacher
    module = ProposalTraining(
        trained=TrainedProposals.untrained(toy.passport, **NETWORK),
        renderer=volume_renderer(toy.renderer, 16),
        settings=ProposalSettings(network=NETWORK, rays=256, reference_samples=96),
        seed=0,
    )
    views = draw_views(toy_sampler, [0, 1])
    dense = dense_images(module.renderer, views, 96)

    def error() -> float:
        marcher = LearnedMarcher(proposals=module.result, samples=4, hard_samples=6)
        with torch.no_grad():
            seen = module.renderer.changed(first_pass=marcher)(*views)
        return float((seen.image - dense).square().mean())

    optimizer, errors, losses = torch.optim.Adam(module.network.parameters(), 1e-2), [error()], []
    for step in range(40):
        losses.append(module.compare(*views, module.rays(step)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.05  # what is left is the light's own spread
    assert error() < 0.7 * errors[0]
    assert not any(name.startswith("renderer") for name in module.state_dict())


def test_distill_trains_a_proposal_network_goes_on_and_keeps_the_best(tmp_path):
    settings = (
        "experiment=proposals",
        "teacher=toy",
        f"paths.run={tmp_path}",
        "trainer.threads=1",
        "kernels=readable",
        "batch_size=1",
        "callbacks.validation.samples=1",
        "callbacks.validation.every_steps=1",
        "callbacks.state.every_steps=1",
        "proposals.network={bins:16,width:8,narrow:8}",
        "proposals.rays=32",
        "proposals.reference_samples=16",
        "proposals.total_steps=2",
    )
    config = compose("distill", *settings, "trainer.max_steps=1")
    distill.main(config)
    first = TrainedProposals.load(tmp_path / "proposals.safetensors")
    config.trainer.max_steps = 2
    score = distill.main(config)
    assert distill.main(config) == score  # finished: as it was
    again = TrainedProposals.load(tmp_path / "proposals.safetensors")
    assert first.step == 1 and again.step in (1, 2) and again.passport.kind == "toy"
    logs = "".join(path.read_text() for path in (tmp_path / "metrics").rglob("metrics.csv"))
    assert "validation/psnr" in logs
    config.replay = 3
    with pytest.raises(ValueError, match="training has no replay"):
        distill.main(config)


def test_a_sample_is_seen_by_one_of_its_cameras(toy_sampler):
    sampler = toy_sampler
    _, camera = draw_views(sampler, [6, 7])
    draws = sampler.draw([6, 7])
    assert torch.equal(camera.cam_to_world[0], draws.reference.cam_to_world[0])
    assert torch.equal(camera.cam_to_world[1], draws.novel.cam_to_world[1])


def test_a_teacher_that_places_its_samples_itself_needs_no_second_network():
    settings = {"kind": "wysiwyg", "z_dim": 8, "w_dim": 16, "label_dim": 0, "plane_resolution": 8,
                "plane_channels": 4, "channel_base": 128, "channel_max": 8, "hidden_channels": 32,
                "super_resolution": "none", "sr_latent": "none", "render_resolution": 16,
                "image_resolution": 16, "background": "white", "probe_samples": 24,
                "samples": 4, "hard_samples": 8, "proposal_width": 16}  # fmt: skip
    renderer = untrained_teacher(settings).renderer
    with pytest.raises(ValueError, match="a proposal network of its own"):
        volume_renderer(renderer, None)
    renderer.uses_proposals = False
    assert volume_renderer(renderer, 8).resolution == 8
