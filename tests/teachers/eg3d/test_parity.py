"""What the official EG3D code computed from the same weights and jitter, this code computes too
(within its tolerances).
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from pipeline.evaluation.parity import ABSENT, NOT_COMPARABLE, TOLERANCES, compare, read_dump
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.rendering.camera import Camera

GOLDEN = Path(__file__).parents[2] / "golden" / "eg3d_small128"


@pytest.fixture
def generator():
    network = Generator(
        EG3DConfiguration.from_dict(json.loads((GOLDEN / "config.json").read_text()))
    )
    missing, unknown = network.load_state_dict(
        load_file(GOLDEN / "generator.safetensors"), strict=False
    )
    assert not unknown
    assert all(
        "super_resolution" in name and name.endswith("noise_const") for name in missing
    )  # never used
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def identity():
    return load_arrays(GOLDEN / "identity.safetensors")


@pytest.fixture(scope="session")
def renderer_cases():
    return load_arrays(GOLDEN / "renderer.safetensors")


def test_the_golden_stays_below_fifteen_megabytes():
    assert (
        sum(path.stat().st_size for path in GOLDEN.parent.rglob("*") if path.is_file()) < 15_500_000
    )


def test_one_identity_from_latent_to_picture(generator, identity):
    report = compare(generator, identity)
    assert report.passed, report.table()
    assert {
        "ws",
        "planes_stride32",
        "pts_sigma",
        "ray_directions",
        "features_stride2",
        "image_depth",
        "image_stride2",
    } <= {comparison.quantity for comparison in report.compared}
    assert len(report.compared) == 16
    assert not report.ignored
    assert not report.differences


def test_the_renderer_alone_in_all_its_modes(generator, renderer_cases):
    report = compare(generator, renderer_cases)
    assert report.passed, report.table()
    assert sum(comparison.quantity.startswith("tiny_") for comparison in report.compared) == 11


def damaged(generator, **changes):
    """The same weights in a generator of another configuration."""
    other = Generator(dataclasses.replace(generator.config, **changes))
    other.load_state_dict(generator.state_dict())
    return other.eval()


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"plane_axes": ("xy", "xz", "yz")}, {"plane_proj_of_123", "pts_sigma", "image_stride2"}),
        ({"box_size": 1.01}, {"pts_sigma", "features_stride2"}),
        ({"far": 3.31}, {"image_depth"}),
        ({"background": "white"}, {"features_stride2"}),
        ({"label_scale": 0.0}, {"ws", "planes_stride32"}),
        ({"sr_conv_clamp": 1.0}, {"image_stride2"}),
    ],
)
def test_a_wrong_setting_is_seen_where_it_acts(generator, identity, changes, failing):
    report = compare(damaged(generator, **changes), identity)
    assert not report.passed
    failed = {
        comparison.quantity
        for comparison in report.comparisons
        if not comparison.passed and comparison.note != ABSENT
    }
    assert failing <= failed


def test_a_weight_that_is_off_by_a_hundredth_is_seen(generator, identity):
    generator.backbone.synthesis.b64.conv1.weight[0, 0] *= 1.01
    report = compare(generator, identity)
    assert not report.passed
    assert all(
        comparison.passed
        for comparison in report.comparisons
        if comparison.quantity.startswith("ws") and comparison.largest is not None
    )


def test_an_empty_reference_passes_nothing(generator):
    report = compare(generator, {})
    assert not report.passed
    assert not report.compared
    assert all(
        comparison.note == ABSENT and not comparison.passed for comparison in report.comparisons
    )
    assert "nothing could be compared" in report.table()


def test_what_lacks_its_inputs_is_not_comparable_and_the_rest_is_judged(generator, identity):
    partial = {name: array for name, array in identity.items() if name != "u_coarse"}
    report = compare(generator, partial)
    assert report.passed
    assert any(
        comparison.quantity == "image_depth" and comparison.note == NOT_COMPARABLE
        for comparison in report.comparisons
    )
    assert "not comparable, " in report.table()
    wrong = {**partial, "ws": partial["ws"] + 1}
    assert not compare(generator, wrong).passed


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-3])
def test_a_single_wrong_number_fails(generator, renderer_cases, value):
    features = renderer_cases["tiny_features"].copy()
    features[0, 0, 0] += value
    assert not compare(generator, {**renderer_cases, "tiny_features": features}).passed


def test_other_shapes_fail_and_unknown_names_are_listed(generator, renderer_cases):
    report = compare(
        generator,
        {
            **renderer_cases,
            "tiny_features": renderer_cases["tiny_features"][:1],
            "novelty": np.ones(2),
        },
    )
    assert not report.passed
    assert report.ignored == ("novelty",)
    assert "shape [2, 64, 32], the reference has [1, 64, 32]" in report.table()


def test_settings_that_differ_from_the_references_are_named(generator, identity):
    report = compare(damaged(generator, box_size=1.6), identity)
    assert any("box_warp is 1, here 1.6" in difference for difference in report.differences)


def test_a_reference_with_random_noise_is_refused(generator, identity):
    meta = json.loads(identity["meta_json"].tobytes())
    meta["synthesis"]["noise_mode"] = "random"
    with pytest.raises(ValueError, match="can't be repeated"):
        compare(
            generator, {**identity, "meta_json": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
        )


def test_the_super_resolution_is_compared_with_the_teachers_latent_whatever_a_folder_says(
    generator, identity
):
    assert compare(damaged(generator, sr_latent="w_mean"), identity).passed


def test_every_quantity_has_a_tolerance_that_a_picture_could_break():
    assert all(0 < tolerance.largest <= 5e-4 for tolerance in TOLERANCES.values())


def test_the_altered_raw_image_exists_only_for_comparison(generator):
    network = damaged(generator, render_resolution=64, depth_samples=4, importance_samples=4)
    zero = torch.zeros(1)
    camera = Camera.orbit(zero, zero, pivot=(0.0, 0.0, 0.2))
    ws = network.map_latents(torch.ones(1, 64))
    triplane = network.synthesize(ws)
    clean = network.renderer(triplane, camera, ws)
    network.renderer.sampling = dataclasses.replace(network.renderer.sampling, compat="official")
    official = network.renderer(triplane, camera, ws)
    assert torch.equal(clean.image_raw, clean.feature_image[:, :3])
    assert (official.image_raw - clean.image_raw).abs().max() > 0.1
    assert torch.equal(official.image, clean.image)


def test_references_are_read_without_pickle(tmp_path):
    np.savez(tmp_path / "objects.npz", z=np.array([{}], dtype=object))
    (tmp_path / "text.npz").write_text("no archive")
    for name, words in {
        "objects.npz": "can't be read",
        "text.npz": "can't be read",
        "nowhere.npz": "is not a file",
    }.items():
        with pytest.raises(ValueError, match=words):
            read_dump(tmp_path / name)
