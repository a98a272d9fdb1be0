"""What PanoHead's official code computed from the same weights and jitter, this code computes."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from pipeline.evaluation.parity import ABSENT, compare
from teachers.panohead.configuration import PanoHeadConfiguration
from teachers.panohead.generator import PanoHeadGenerator
from teachers.rendering.camera import Camera

GOLDEN = Path(__file__).parents[2] / "golden" / "panohead_small128"


@pytest.fixture(scope="module")
def generator():
    config = json.loads((GOLDEN / "config.json").read_text())
    network = PanoHeadGenerator(PanoHeadConfiguration.from_dict(config))
    missing, unknown = network.load_state_dict(
        load_file(GOLDEN / "generator.safetensors"), strict=False
    )
    assert not unknown
    assert all("super_resolution" in name and name.endswith("noise_const") for name in missing)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def dump():
    return load_arrays(GOLDEN / "identities.safetensors")


def failed(report):
    return {
        comparison.quantity
        for comparison in report.comparisons
        if not comparison.passed and comparison.note != ABSENT
    }


def test_two_identities_from_latent_to_picture(generator, dump):
    report = compare(generator, dump)
    assert report.passed, report.table()
    assert not report.ignored
    assert not report.differences
    assert {
        *("ws", "planes_stride32", "plane_proj_of_123", "tiny_d1_feat", "tiny_box16_d3_feat"),
        *("features_fg_stride4", "bcg_full_stride8", "image_raw", "image_stride4", "image_mask"),
        *("delta_c", "forward_image_raw", "sigmoid_image_raw", "lrelu_image_raw"),
        *("notorgb_image_raw", "otherbcg_image_raw", "whiteback_nobcg_image_raw"),
    } <= {comparison.quantity for comparison in report.compared}


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"crop_margin": 0.05}, {"features_fg_stride4", "image_raw"}),
        ({"plane_axes": ("xy", "xz", "zx")}, {"plane_proj_of_123", "pts_sigma", "image_raw"}),
    ],
)
def test_a_wrong_setting_is_seen_where_it_acts(generator, dump, changes, failing):
    other = PanoHeadGenerator(dataclasses.replace(generator.config, **changes))
    other.load_state_dict(generator.state_dict())
    parts = {name: array for name, array in dump.items() if not name.startswith("forward_u_")}
    assert failing <= failed(compare(other.eval(), parts))  # the whole calls show the same again


def test_points_in_space_are_not_cropped_and_rays_are(generator, dump):
    ws = torch.from_numpy(dump["ws"])[:1]
    triplane = generator.synthesize(ws)
    points = torch.tensor([[[0.45, 0.0, 0.0], [0.0, 0.45, 0.0], [0.0, 0.0, -0.45]]])
    logits = generator.renderer.field(triplane)(points)[1][0, :, 0]
    assert logits[0] == logits[2] == -1000
    assert logits[1] > -100


def test_a_head_is_drawn_from_behind_and_the_background_stays(generator, dump):
    ws = torch.from_numpy(dump["ws"])[:1]
    triplane = generator.synthesize(ws)
    yaws = torch.tensor([0.0, torch.pi])
    cameras = Camera.orbit(yaws, torch.zeros(2), pivot=(0.0, 0.0, 0.0))
    drawn = generator.renderer(triplane.repeat_interleave(2), cameras, ws.repeat(2, 1, 1))
    behind = generator.renderer._background(1, ws)
    empty = (drawn.opacity < 1e-3).expand_as(drawn.feature_image)
    expected = behind.expand(2, -1, -1, -1)
    torch.testing.assert_close(
        drawn.feature_image[empty], expected[empty], rtol=0, atol=float(behind.abs().max()) * 2e-3
    )
    assert not torch.allclose(drawn.image_raw[0], drawn.image_raw[1], atol=0.05)
