"""Conversion of a snapshot keeps weights and settings; one error lists what doesn't fit."""

import dataclasses
import hashlib

import pytest
import torch

from teachers.checkpoint import load_teacher
from teachers.conversion import import_pickle
from teachers.eg3d import snapshot_settings
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import Discriminator
from teachers.eg3d.generator import Generator
from teachers.eg3d.teacher import save_eg3d
from teachers.eg3d.weights import card
from teachers.rendering.camera import Camera

SMALL = {
    "z_dim": 8,
    "w_dim": 16,
    "plane_resolution": 16,
    "plane_channels": 4,
    "feature_channels": 32,
    "channel_base": 64,
    "channel_max": 8,
    "depth_samples": 6,
    "importance_samples": 6,
    "sr_latent": "teacher_w",
}
IMAGE_SIZES = {"8XDC": 512, "8X": 512, "4X": 256, "2X": 128}


def small_generator(super_resolution="2X", **changes):
    torch.manual_seed(0)
    config = EG3DConfiguration(
        **{
            **SMALL,
            "super_resolution": super_resolution,
            "image_resolution": IMAGE_SIZES[super_resolution],
            "render_resolution": 8,
            **changes,
        }
    )
    generator = Generator(config).eval().requires_grad_(False)
    for name, value in generator.state_dict().items():
        if name.endswith(("noise_strength", "w_avg", "bias")):
            value.add_(torch.randn_like(value) * 0.1)
    return generator


@pytest.fixture
def write(official, tmp_path):
    """Writes a snapshot of a small generator, after `edit(weights, settings)`, and returns its
    path.
    """

    def to_file(
        generator=None, edit=lambda weights, settings: None, discriminator=None, **keywords
    ):
        generator = generator or small_generator()
        config = generator.config
        weights = official.official_weights(generator)
        module = f"SuperresolutionHybrid{config.super_resolution}"
        settings = official.published_settings(
            superresolution_module=f"training.superresolution.{module}",
            depth_resolution=6,
            depth_resolution_importance=6,
        )
        edit(weights, settings)
        init = {
            "channel_base": 64,
            "channel_max": 8,
            "img_resolution": config.image_resolution,
            "sr_num_fp16_res": 4,
            "conv_clamp": None,
        }
        keywords = {
            "init_kwargs": init,
            "resolution": 8,
            "superresolution_class": module,
            **keywords,
        }
        snapshot = official.official_snapshot(
            weights, discriminator, rendering_kwargs=settings, **keywords
        )
        path = tmp_path / "network.pkl"
        path.write_bytes(official.official_pickle(snapshot))
        return path

    return to_file


@pytest.mark.parametrize(
    "super_resolution",
    ["2X", "4X", *(pytest.param(name, marks=pytest.mark.slow) for name in ("8X", "8XDC"))],
)
def test_an_imported_generator_draws_what_the_exported_one_drew(write, super_resolution):
    generator = small_generator(super_resolution)
    imported = import_pickle(write(generator), sr_latent="teacher_w").teacher
    assert imported.configuration == generator.config
    z, camera = torch.randn(1, 8), Camera.orbit(torch.tensor([0.2]), torch.tensor([0.1]))
    with torch.inference_mode():
        ws = generator.map_latents(z, camera)
        expected = generator.renderer(generator.synthesize(ws), camera, ws)
        ours = imported.map_latents(z, camera)
        rendering = imported.render(imported.synthesize(ours), camera, ws=ours)
    assert torch.equal(ws, ours)
    assert rendering.image.shape[-1] == IMAGE_SIZES[super_resolution]
    torch.testing.assert_close(rendering.image, expected.image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("super_resolution", IMAGE_SIZES)
def test_every_weight_arrives_and_the_mean_latent_is_the_average(write, super_resolution):
    generator = small_generator(super_resolution)
    state = import_pickle(write(generator)).teacher.generator.state_dict()
    assert state.keys() == generator.state_dict().keys()
    mean = "renderer.super_resolution.w_mean"
    assert all(
        torch.equal(state[name], value)
        for name, value in generator.state_dict().items()
        if name != mean
    )
    assert torch.equal(state[mean], state["backbone.mapping.w_avg"])


def test_the_super_resolution_gets_the_mean_latent_by_default_and_says_so(write):
    imported = import_pickle(write())
    assert imported.teacher.passport.sr_latent == "w_mean"
    assert any("sr_latent=w_mean" in warning for warning in imported.warnings)
    constant = import_pickle(write(), sr_latent="constant_one")
    assert any("not trained for sr_latent=constant_one" in warning for warning in constant.warnings)


def test_training_statistics_are_optional(write):
    import_pickle(write(edit=lambda weights, settings: weights.pop("dataset_label_std")))


def test_all_that_does_not_fit_is_listed_in_one_error(write):
    def damage(weights, settings):
        del weights["backbone.synthesis.b8.conv0.weight"]
        weights["backbone.synthesis.b8.extra.weight"] = torch.ones(2)
        weights["backbone.synthesis.b4.conv1.bias"] = torch.ones(3)
        weights["decoder.net.0.bias"][0] = torch.nan

    with pytest.raises(ValueError, match=r"network\.pkl") as caught:
        import_pickle(write(edit=damage))
    message = str(caught.value)
    assert "1 missing: backbone.synthesis.b8.conv0.weight" in message
    assert "1 unknown: backbone.synthesis.b8.extra.weight" in message
    assert "1 of another shape: backbone.synthesis.b4.conv1.bias [3] instead of [8]" in message
    assert "1 not finite: renderer.decoder.net.0.bias" in message


def test_another_filter_is_not_taken_for_the_published_one(write):
    with pytest.raises(ValueError, match=r"resample_filter is not the \[1 3 3 1\]"):
        import_pickle(
            write(
                edit=lambda weights, settings: weights.update(
                    {"backbone.synthesis.b8.resample_filter": torch.ones(4, 4) / 16}
                )
            )
        )


def test_missing_options_have_the_official_defaults(write):
    def forget(weights, settings):
        for name in (
            "c_scale",
            "decoder_lr_mul",
            "white_back",
            "avg_camera_radius",
            "avg_camera_pivot",
            "sr_antialias",
            "clamp_mode",
        ):
            settings.pop(name, None)

    config = import_pickle(write(edit=forget)).teacher.configuration
    assert config.label_scale == 0  # the official code then blanks the label
    assert (
        config.decoder_learning_rate,
        config.background,
        config.camera_radius,
        config.camera_pivot,
    ) == (1, "black", 2.7, (0, 0, 0))
    assert config.sr_antialias


def test_missing_options_without_a_default_are_named(write):
    with pytest.raises(ValueError, match="lack ray_start, box_warp"):
        import_pickle(
            write(
                edit=lambda weights, settings: (settings.pop("ray_start"), settings.pop("box_warp"))
            )
        )


def test_options_of_the_published_cars_are_understood(write):
    cars = {
        "ray_start": 0.1,
        "ray_end": 2.6,
        "box_warp": 1.6,
        "white_back": True,
        "avg_camera_radius": 1.7,
        "c_gen_conditioning_zero": True,
    }
    config = import_pickle(
        write(edit=lambda weights, settings: settings.update(cars))
    ).teacher.configuration
    assert (
        config.near,
        config.far,
        config.box_size,
        config.background,
        config.condition_is_zero,
    ) == (0.1, 2.6, 1.6, "white", True)
    assert config.focal == 1.7074


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ray_start": "auto"}, "neither two increasing distances nor both 'auto'"),
        ({"ray_start": 3.3, "ray_end": 2.25}, "neither two increasing distances"),
        ({"clamp_mode": "relu"}, "'relu' is not EG3D's softplus"),
        ({"box_warp": [1]}, r"box_warp is \[1\], not a number"),
        ({"depth_resolution": None}, "depth_resolution is None, not a number"),
    ],
)
def test_options_that_can_not_be_reproduced_are_refused(write, changes, words):
    with pytest.raises(ValueError, match=words):
        import_pickle(write(edit=lambda weights, settings: settings.update(changes)))


def test_automatic_limits_follow_the_box(write):
    config = import_pickle(
        write(edit=lambda weights, settings: settings.update(ray_start="auto", ray_end="auto"))
    ).teacher.configuration
    assert config.near is None
    assert config.far is None


def rows(*axes):
    """The matrix whose inverse sends a point to the named axes (and the remaining one)."""
    rest = next(axis for axis in "xyz" if axis not in axes)
    return [[float(axis == name) for axis in "xyz"] for name in (*axes, rest)]


def test_corrected_planes_of_forks_are_recognised(write):
    fork = torch.tensor([rows("x", "y"), rows("x", "z"), rows("y", "z")])
    imported = import_pickle(write(plane_axes=fork))
    assert imported.teacher.passport.plane_axes == ("xy", "xz", "yz")
    assert any(
        "('xy', 'xz', 'yz') differ from the published" in warning for warning in imported.warnings
    )


def test_published_planes_are_xy_xz_zx_and_raise_no_warning(write):
    imported = import_pickle(write())
    assert imported.teacher.passport.plane_axes == ("xy", "xz", "zx")
    assert not any("axes" in warning for warning in imported.warnings)


@pytest.mark.parametrize(
    "matrix", [torch.eye(3) * 2, -torch.eye(3), torch.tensor([[1.0, 1, 0], [0, 1, 0], [0, 0, 1]])]
)
def test_planes_along_no_axis_are_refused(write, matrix):
    with pytest.raises(ValueError, match="not spanned by world axes"):
        import_pickle(write(plane_axes=torch.stack([matrix, torch.eye(3), torch.eye(3)])))


def test_planes_that_are_no_planes_are_refused(write):
    with pytest.raises(ValueError, match="not invertible"):
        import_pickle(write(plane_axes=torch.zeros(3, 3, 3)))


def test_the_pickled_super_resolution_counts_when_the_options_disagree(write):
    imported = import_pickle(
        write(
            edit=lambda weights, settings: settings.update(
                superresolution_module="a.SuperresolutionHybrid4X"
            )
        )
    )
    assert imported.teacher.passport.super_resolution == "2X"
    assert any("SuperresolutionHybrid4X" in warning for warning in imported.warnings)
    with pytest.raises(ValueError, match="super-resolution 'Own' is not known"):
        import_pickle(write(superresolution_class="Own"))


def test_unknown_sources_are_a_fork_and_known_ones_are_not(official, write, monkeypatch):
    assert any(
        "TriPlaneGenerator" in warning and "fork" in warning
        for warning in import_pickle(write()).warnings
    )
    digest = hashlib.sha256(official.PLACEHOLDER_SOURCE.encode()).hexdigest()
    monkeypatch.setattr(snapshot_settings, "KNOWN_SOURCES", (digest[:12],))
    assert not any("TriPlaneGenerator" in warning for warning in import_pickle(write()).warnings)


def critic_weights(**changes):
    torch.manual_seed(1)
    critic = Discriminator(
        **{"resolution": 128, "image_channels": 6, "channel_base": 256, "channel_max": 8, **changes}
    )
    return {name: value.clone() for name, value in critic.state_dict().items()}


def test_the_discriminator_comes_along(write):
    weights = critic_weights()
    settings = {
        "channel_base": 256,
        "channel_max": 8,
        "conv_clamp": 256,
        "epilogue_kwargs": {"mbstd_group_size": 4},
    }
    imported = import_pickle(write(discriminator=weights, discriminator_init_kwargs=settings))
    assert all(
        torch.equal(value, weights[name])
        for name, value in imported.discriminator.state_dict().items()
    )
    assert imported.discriminator_arguments["num_mapping_layers"] == 8
    assert imported.discriminator(torch.zeros(1, 6, 128, 128), torch.zeros(1, 25)).shape == (1, 1)


def test_a_discriminator_of_another_form_is_left_out_with_a_warning(write):
    imported = import_pickle(write(discriminator={**critic_weights(), "b4.own": torch.ones(1)}))
    assert imported.discriminator is None
    assert any("discriminator is left out" in warning for warning in imported.warnings)


def test_the_card_carries_the_licence_and_the_source(write):
    imported = import_pickle(write())
    text = card(imported, "network.pkl")
    assert "non-commercial" in text
    assert imported.teacher.passport.source_hash in text
    assert "non-commercial" in imported.teacher.passport.licence


def test_a_saved_folder_is_read_back_as_the_same_teacher(write, tmp_path):
    teacher = import_pickle(write()).teacher
    save_eg3d(tmp_path / "teacher", teacher)
    again = load_teacher(tmp_path / "teacher")
    assert again.passport == teacher.passport
    assert all(
        torch.equal(value, teacher.state_dict()[name]) for name, value in again.state_dict().items()
    )


def test_what_is_not_a_teacher_folder_is_refused_with_advice(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"no passport\.json"):
        load_teacher(tmp_path)
    with pytest.raises(ValueError, match="trilift convert checkpoint="):
        load_teacher(write())
    teacher = import_pickle(write()).teacher
    teacher.passport = dataclasses.replace(teacher.passport, kind="else")
    save_eg3d(tmp_path / "other", teacher)
    with pytest.raises(ValueError, match="kind 'else'"):
        load_teacher(tmp_path / "other")
