"""config.json of a teacher folder."""

import dataclasses
import json

import pytest

from teachers.eg3d.configuration import EG3DConfiguration


def test_a_configuration_survives_json():
    config = EG3DConfiguration(
        prior_ellipsoids=((0.0, 0.0, 0.0, 0.1, 0.2, 0.3),),
        near=None,
        far=None,
        plane_axes=("xy", "xz", "yz"),
    )
    assert EG3DConfiguration.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_keys_are_named():
    with pytest.raises(ValueError, match=r"unknown keys \['z_dims'\]"):
        EG3DConfiguration.from_dict({"z_dims": 3})


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"super_resolution": "none"}, "does not go with sr_latent"),
        (
            {"super_resolution": "none", "sr_latent": "none"},
            "render_resolution is 128, image_resolution 512",
        ),
        ({"plane_resolution": -1}, "plane_resolution is -1: expected 1 or more"),
        ({"plane_resolution": 96}, "plane_resolution is 96: .*a power of two"),
        ({"plane_resolution": 2}, "plane_resolution is 2: .*from 4 on"),
        ({"logit_gain": 2.0}, "logit_gain is 2.0, .*give prior_ellipsoids"),
        ({"plane_blur": (1.0,)}, r"plane_blur is \[1.0\]: give three"),
        ({"plane_axes": ("xy", "xz", "yq")}, r"plane_axes is .*'yq'.*: give three of xy, xz, yx"),
        ({"channel_base": 1}, "channel_base is 1: .*expected 256 or more"),
    ],
)
def test_contradictions_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        EG3DConfiguration(**changes)


def test_a_published_generator_has_no_options_and_others_name_theirs():
    assert EG3DConfiguration().options == {}
    changed = dataclasses.replace(
        EG3DConfiguration(), density_gain=20.0, prior_ellipsoids=((0.0,) * 6,)
    )
    assert changed.options == {"density_gain": 20.0, "prior_ellipsoids": [[0.0] * 6]}


def test_solids_without_a_prior_are_refused():
    with pytest.raises(ValueError, match="give prior_ellipsoids, too"):
        EG3DConfiguration(solid_ellipsoids=((0.0,) * 6,))
