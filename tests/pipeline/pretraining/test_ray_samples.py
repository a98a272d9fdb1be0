"""Teachers are compared at equal numbers of samples per ray."""

import dataclasses

import pytest
import torch

from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.pretraining.ray_samples import (
    CountedDecoder,
    SamplerScores,
    counts_within,
    drawn,
    samplers_at,
    samples_table,
    score_samplers,
)
from pipeline.pretraining.teacher_views import draw_images, drawn_identities
from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling
from teachers.rendering.rendering import RayJitter
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings

SMALL = LearnedSampling(probe_samples=48, samples=6, hard_samples=12)
CAMERAS = Camera.orbit(torch.linspace(-0.3, 0.3, 6), torch.zeros(6))


@pytest.fixture(scope="module")
def eg3d():
    return untrained_teacher(
        smallest_eg3d_settings(
            8,
            feature_channels=3,
            density_gain=30.0,
            first_pass="proposal",
            prior_ellipsoids=[[0.0, 0.0, 0.0, 0.25, 0.25, 0.25]],
        )
    )


@pytest.fixture(scope="module")
def wysiwyg():
    settings = smallest_eg3d_settings(
        16, kind="wysiwyg", hidden_channels=32, feature_channels=3, near=2.2, far=3.2,
        background="white", probe_samples=48, samples=6, hard_samples=12, proposal_width=8,
    )  # fmt: skip
    return untrained_teacher(settings)


@pytest.mark.parametrize("counts", [SMALL, LearnedSampling()])
@pytest.mark.parametrize("budget", [5, 10, 20, 50, 96])
def test_counts_spend_a_budget_and_never_more(counts, budget):
    found = counts_within(counts, budget)
    if found is None:
        assert budget < counts.probe_samples / 16 + 1
        return
    assert budget - 0.11 < found.mean_samples <= budget + 1e-4
    assert found.probe_samples == counts.probe_samples


def test_the_paper_s_own_counts_are_found_at_what_they_spend():
    assert counts_within(LearnedSampling(), 29.6) == LearnedSampling()


def test_look_ups_are_those_of_the_budget(eg3d, wysiwyg):
    for teacher in (eg3d, wysiwyg):
        for budget in (5, 10):
            for name, renderer in samplers_at(teacher.renderer, budget).items():
                decoder = CountedDecoder(renderer.decoder)
                z, cameras = drawn_identities(teacher, CAMERAS, 2)
                drawn(teacher, renderer.changed(decoder=decoder), z, cameras)
                spent = decoder.lookups / 2 / renderer.resolution**2
                if name == "first pass at half the side":  # rays that see nothing are left out
                    assert 1.0 <= spent <= budget
                else:
                    assert spent == pytest.approx(budget, rel=0.03), (name, budget)


def test_a_teacher_s_own_sampler_draws_the_card_s_pictures(eg3d):
    z, cameras = drawn_identities(eg3d, CAMERAS, 6)
    assert torch.equal(drawn(eg3d, eg3d.renderer, z, cameras), draw_images(eg3d, CAMERAS, 6))


def test_more_samples_are_nearer_to_dense_ones_and_ablations_differ(wysiwyg):
    real = (torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2) - 1
    scores = list(
        score_samplers(
            wysiwyg, FrechetScores(real, compared=4), CAMERAS, budgets=(5, 40), referenced=4
        )
    )
    psnr = {(one.sampler, one.budget): one.psnr for one in scores}
    assert psnr["no learned sampler", 40] > psnr["no learned sampler", 5]
    assert psnr["learned", 40] > psnr["learned", 5]
    at_40 = [value for (_, budget), value in psnr.items() if budget == 40]
    assert len(set(at_40)) == len(at_40) == 4
    table = samples_table({"one": scores})
    assert table.count("| one | learned |") == 4 and "| as it is | 5 | 40 |" in table


def test_samples_that_are_not_stratified_need_jitter_and_miss_bins(wysiwyg):
    counts = dataclasses.replace(SMALL, is_stratified=False)
    renderer = wysiwyg.renderer.with_counts(counts)
    planes, camera = wysiwyg.synthesize(wysiwyg.mean_latent()), CAMERAS[:1]
    with pytest.raises(ValueError, match="give jitter"):
        renderer(planes, camera)
    numbers = torch.rand(1, 256, 12, generator=torch.Generator().manual_seed(0))
    image = renderer(planes, camera, jitter=RayJitter(numbers[..., :0], numbers)).image
    assert (image - wysiwyg.renderer(planes, camera).image).abs().mean() > 1e-3


def test_a_budget_that_a_probe_alone_exceeds_is_a_dash():
    scores = [
        SamplerScores("learned", 20, 20.0, {"pixels": 1.0}, 30.0),
        SamplerScores("no learned sampler", 5, 5.0, {"pixels": 9.0}, 20.0),
    ]
    assert "| one | learned |  | – | 1.00 |" in samples_table({"one": scores})
