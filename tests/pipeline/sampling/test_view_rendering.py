"""Drawing a view cheaply changes the drawing, not the identity, and not the renderer that it is
asked of.
"""

import pytest
import torch

from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.builders import orbit_prior, smallest_eg3d_settings

FRONTAL = Camera.orbit(torch.zeros(1), torch.zeros(1))


def test_half_the_side_is_the_same_picture_with_fewer_pixels():
    teacher = ToyTeacher(resolution=64, depth_samples=48, importance_samples=48)
    triplane = teacher.synthesize(teacher.mean_latent())
    whole = teacher.renderer(triplane, FRONTAL).image
    half = ViewRendering(resolution=32).apply(teacher.renderer)(triplane, FRONTAL).image
    assert half.shape == (1, 3, 32, 32)
    assert (torch.nn.functional.avg_pool2d(whole, 2) - half).abs().mean() < 0.03


def test_the_networks_are_shared_and_the_original_keeps_its_settings():
    renderer = untrained_teacher(
        {"plane_resolution": 8, "channel_base": 64, "channel_max": 8, "sr_latent": "w_mean"}
    ).renderer
    cheap = ViewRendering(depth_samples=4, first_pass="proposal").apply(renderer)
    assert [id(p) for p in cheap.parameters()] == [id(p) for p in renderer.parameters()]
    assert (cheap.sampling.depth_samples, cheap.sampling.first_pass) == (4, "proposal")
    assert (renderer.sampling.depth_samples, renderer.sampling.first_pass) == (48, "reused")
    assert ViewRendering().apply(renderer).sampling == renderer.sampling
    with pytest.raises(ValueError, match="leave the view's resolution alone"):
        ViewRendering(resolution=32).apply(renderer)


def test_another_resolution_before_super_resolution_is_refused_before_anything_is_drawn():
    teacher = untrained_teacher(
        {"plane_resolution": 8, "channel_base": 64, "channel_max": 8, "sr_latent": "w_mean"}
    )
    own = teacher.passport.render_resolution
    with pytest.raises(ValueError, match=rf"at 32².*takes {own}².*diverse are for all"):
        ViewRendering(resolution=32).require_teacher(teacher.passport)
    ViewRendering(resolution=own).require_teacher(teacher.passport)
    ViewRendering(resolution=32).require_teacher(ToyTeacher().passport)


@pytest.mark.parametrize(
    "uses_proposals, words", [(True, "depth_samples, first_pass"), (False, "")]
)
def test_samples_of_a_teacher_that_places_its_own_have_no_effect_and_it_is_said(
    uses_proposals, words, caplog
):
    teacher = untrained_teacher(
        smallest_eg3d_settings(
            16, kind="wysiwyg", hidden_channels=32, feature_channels=3, near=2.2, far=3.2,
            background="white", probe_samples=48, samples=6, hard_samples=12, proposal_width=8,
        )
    )  # fmt: skip
    teacher.renderer.uses_proposals = uses_proposals
    cheap = ViewRendering(depth_samples=4, first_pass="proposal", resolution=8)
    TeacherSampler(
        teacher=teacher,
        cameras=CameraPair(reference=orbit_prior(40.0), novel=orbit_prior(30.0)),
        latents=LatentPrior(),
        seed=0,
        novel_rendering=cheap,
    )
    said = f"{words} of the views have no effect: a network of 'untrained, seed 0' places its"
    assert [record.getMessage() for record in caplog.records] == [
        f"{said} ray samples"
    ] * uses_proposals
