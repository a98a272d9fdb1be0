"""Each kind of teacher: settings that come back, and the classes that belong together."""

import pytest
import torch

from teachers.kinds import KINDS, configuration_of, freeze, kind_of, settings_of
from teachers.untrained import untrained_teacher

SMALL = {
    "z_dim": 8,
    "w_dim": 16,
    "label_dim": 0,
    "plane_resolution": 8,
    "plane_channels": 4,
    "channel_base": 128,
    "channel_max": 8,
    "hidden_channels": 16,
    "near": 2.2,
    "far": 3.2,
    "depth_samples": 6,
    "importance_samples": 6,
}
WITHOUT_SR = {
    "super_resolution": "none",
    "sr_latent": "none",
    "render_resolution": 16,
    "image_resolution": 16,
    "background": "white",
}
SETTINGS = {
    "eg3d": {**SMALL, **WITHOUT_SR},
    "panohead": {
        **SMALL,
        "super_resolution": "2X",
        "sr_latent": "w_mean",
        "render_resolution": 16,
        "image_resolution": 128,
    },
    "wysiwyg": {
        **SMALL,
        **WITHOUT_SR,
        "probe_samples": 12,
        "samples": 3,
        "hard_samples": 6,
        "proposal_width": 8,
    },
}


@pytest.mark.parametrize("name", KINDS)
def test_settings_come_back_and_make_a_teacher_of_the_kind(name):
    config = configuration_of({"kind": name, **SETTINGS[name]})
    assert kind_of(config) is KINDS[name]
    assert configuration_of(settings_of(config)) == config
    teacher = untrained_teacher(settings_of(config))
    assert teacher.passport.kind == name
    kept = freeze(teacher.generator, name="trained", licence="Apache-2.0")
    assert (type(kept), kept.passport.name) == (type(teacher), "trained")
    with torch.inference_mode():
        ws = teacher.mean_latent()
        drawn = teacher.render(
            teacher.synthesize(ws), teacher.passport.orbit(torch.tensor([0.2])), ws=ws
        )
    assert torch.isfinite(drawn.image).all()


def test_without_a_kind_settings_are_eg3d_s_and_an_unknown_one_is_named():
    assert configuration_of(SETTINGS["eg3d"]) == configuration_of(
        {"kind": "eg3d", **SETTINGS["eg3d"]}
    )
    with pytest.raises(ValueError, match=r"'stylenerf': use eg3d, panohead, wysiwyg"):
        configuration_of({"kind": "stylenerf"})
