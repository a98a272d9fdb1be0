"""A PanoHead snapshot becomes a teacher folder; other forks are refused by their names."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from teachers.checkpoint import load_teacher
from teachers.conversion import import_pickle
from teachers.eg3d.teacher import save_eg3d
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import ORTHOGONAL_AXES

HERE = Path(__file__).parent


def module_of(path):
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


small = module_of(HERE / "small_panohead.py")
official = module_of(HERE.parent / "eg3d" / "official_format.py")


@pytest.fixture
def write(tmp_path):
    def to_file(generator=None, **settings):
        generator = generator or small.small_generator()
        return small.write_snapshot(official, tmp_path / "head.pkl", generator, **settings)

    return to_file


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"color_activation": "sigmoid", "has_raw_rgb": False},
        {"background_resolution": 0, "background": "white", "shifts_camera": False},
        {"plane_depth": 2, "color_activation": "lrelu"},
    ],
)
def test_an_imported_generator_draws_what_the_exported_one_drew(write, changes):
    generator = small.small_generator(**changes)
    white = {"white_back": changes.get("background") == "white"}
    imported = import_pickle(write(generator, **white), sr_latent="teacher_w").teacher
    assert imported.configuration == generator.config
    z, camera = torch.randn(1, 8), Camera.orbit(torch.tensor([2.8]), torch.tensor([0.1]))
    with torch.inference_mode():
        ws = generator.map_latents(z, camera)
        expected = generator.renderer(generator.synthesize(ws), camera, ws)
        ours = imported.map_latents(z, camera)
        rendering = imported.render(imported.synthesize(ours), camera, ws=ours)
    torch.testing.assert_close(rendering.image, expected.image, rtol=0, atol=1e-5)


def test_the_passport_says_stacks_axes_and_the_full_circle(write):
    imported = import_pickle(write())
    passport = imported.teacher.passport
    assert (passport.kind, passport.plane_depth, passport.full_circle) == ("panohead", 3, True)
    assert passport.plane_axes == ORTHOGONAL_AXES
    assert passport.camera_pivot == (0, 0, 0)
    assert "PanoHead" in passport.licence
    assert any("discriminator is left out" in warning for warning in imported.warnings)


def test_a_folder_comes_back_as_it_was(write, tmp_path):
    teacher = import_pickle(write()).teacher
    save_eg3d(tmp_path / "teacher", teacher)
    read = load_teacher(tmp_path / "teacher")
    assert read.passport == teacher.passport
    camera = teacher.passport.orbit(torch.tensor([3.0]))
    with torch.inference_mode():
        pictures = [t.render(t.synthesize(t.mean_latent()), camera).image for t in (teacher, read)]
    assert torch.equal(*pictures)


def test_a_student_s_renderer_needs_no_latent_and_a_teacher_s_own_does(write):
    with torch.inference_mode():
        mean = import_pickle(write(), sr_latent="w_mean").teacher
        ws = mean.mean_latent()
        planes, camera = mean.synthesize(ws), mean.passport.orbit(torch.tensor([0.3]))
        without = mean.render(planes, camera)
        original = import_pickle(write(), sr_latent="teacher_w").teacher
        given = original.render(planes, camera, ws=ws)
    torch.testing.assert_close(without.image, given.image, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="give render"):
        original.render(planes, camera)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"triplane_depth": 1}, "triplane_depth=1"),
        ({"decoder_activation": "tanh"}, "'tanh'"),
        ({"cull_clouds": 0.5}, "cull_clouds is 0.5"),
    ],
)
def test_what_is_not_reproduced_is_refused_by_its_value(write, settings, words):
    with pytest.raises(ValueError, match=words):
        import_pickle(write(**settings))


@pytest.mark.parametrize(
    ("weight", "shape", "fork"),
    [
        ("backbone.synthesis.ConvA.weight", (4, 4, 1, 1), "SphereHead"),
        ("texture_backbone.synthesis.b4.const", (4, 4, 4), "Next3D"),
        ("backbone.mapping.embed.weight", (16, 425), "GenHead"),
    ],
)
def test_other_forks_are_refused_by_their_names(tmp_path, weight, shape, fork):
    generator = small.small_generator()
    weights = {**official.official_weights(generator), weight: torch.zeros(shape)}
    path = tmp_path / "fork.pkl"
    snapshot = official.official_snapshot(
        weights, rendering_kwargs=official.published_settings(), resolution=8
    )
    path.write_bytes(official.official_pickle(snapshot))
    with pytest.raises(ValueError, match=fork):
        import_pickle(path)


def test_stacks_of_one_plane_are_no_configuration():
    config = small.small_generator().config
    with pytest.raises(ValueError, match="plane_depth is 1"):
        dataclasses.replace(config, plane_depth=1)
