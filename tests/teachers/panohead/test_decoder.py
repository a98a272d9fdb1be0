"""The options beyond PanoHead that its configuration takes are those of its field."""

import pytest
import torch

from teachers.eg3d.decoder import EllipsoidPrior
from teachers.eg3d.teacher import passport_of
from tests.teachers.panohead.small_panohead import small_generator

HEAD, CORE = (0.0, 0.02, 0.0, 0.2, 0.25, 0.2), (0.0, 0.02, 0.0, 0.1, 0.12, 0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior_ellipsoids": (HEAD,)},
        {"prior_ellipsoids": (HEAD,), "solid_ellipsoids": (CORE,), "logit_gain": 2.0},
        {"prior_ellipsoids": (HEAD,), "logit_gain": 0.0, "density_gain": 20.0},
    ],
)
@torch.no_grad()
def test_prior_core_and_gains_act_as_the_passport_says(changes):
    plain, changed = small_generator(), small_generator(**changes)
    changed.load_state_dict(plain.state_dict())
    ws = plain.backbone.mapping.w_avg.expand(1, plain.backbone.synthesis.num_ws, -1)
    points = (torch.rand(1, 300, 3) - 0.5) * 0.7  # within the crop
    before, after = (
        generator.renderer.field(generator.synthesize(ws)) for generator in (plain, changed)
    )
    features, logits = before(points)
    prior = EllipsoidPrior([HEAD], changes.get("solid_ellipsoids", ()))
    expected = changes.get("logit_gain", 1.0) * logits + prior(points)
    torch.testing.assert_close(after(points), (features, expected))
    torch.testing.assert_close(after.density_logit(points), expected)
    gain = changes.get("density_gain", 1.0)
    torch.testing.assert_close(
        after.density_activation(logits), gain * before.density_activation(logits)
    )
    options = passport_of(changed.config, name="small", source_hash="0", licence="none").options
    assert changes.keys() <= options.keys()
