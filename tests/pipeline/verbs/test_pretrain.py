"""`trilift pretrain`: labelled images in, a teacher's folder out, in slices."""

import csv
import io
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import Trainer
from PIL import Image
from safetensors.torch import load_file

from pipeline.build.configuration import compose, free_keys, to_plain
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs import pretrain
from pipeline.worlds.dataset_zip import png_bytes, write_dataset
from teachers.checkpoint import load_teacher
from teachers.rendering.camera import Camera

TINY = (
    "teacher.z_dim=8", "teacher.w_dim=8", "teacher.plane_resolution=8", "teacher.plane_channels=4",
    "teacher.channel_base=64", "teacher.channel_max=8", "teacher.hidden_channels=8",
    "teacher.depth_samples=6", "teacher.importance_samples=6", "teacher.render_resolution=16",
    "teacher.image_resolution=16", "discriminator.channel_base=64", "discriminator.channel_max=8",
    "discriminator.num_mapping_layers=1", "schedule.growth=[[0,8],[8,16]]",
    "schedule.blur_images=8", "settings.batch_size=4", "settings.density_points=20",
    "progress.scored=16", "progress.real=32", "progress.drawing.depth_samples=8",
    "trainer.devices=1",
)  # fmt: skip


def identities(count: int) -> Iterator[tuple[bytes, list[float]]]:
    """Discs with a matte, from different sides."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16] - 7.5
    labels = Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count)).label()
    for label in labels:
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[rows**2 + columns**2 < 36] = (*random.integers(0, 255, 3), 255)
        yield png_bytes(pixels), label.tolist()


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_dataset(
        tmp_path_factory.mktemp("data") / "discs.zip", identities(32), {"alpha": "premultiplied"}
    )


def run(folder: Path, images: Path, *overrides: str) -> None:
    pretrain.main(
        compose(
            "pretrain",
            "data=photographs",
            "teacher_network=puppets64",
            "licence=Apache-2.0",
            f"data.path={images}",
            f"paths.run={folder}",
            "progress.every_images=8",
            *TINY,
            *overrides,
        )
    )


def scored(folder: Path) -> list[float]:
    return [
        float(row["images"])
        for row in csv.DictReader(io.StringIO((folder / "scores.csv").read_text()))
    ]


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "discs"
    run(folder, images, "schedule.total_images=12")
    return folder


def test_a_run_leaves_scores_sheets_and_a_teacher_that_draws(finished):
    assert scored(finished) == [8, 12]
    assert (
        len(list((finished / "sheets").glob("*.png"))) == 1
    )  # both within the first thousand images
    teacher = load_teacher(finished / "teacher")
    assert teacher.passport.licence.startswith("Apache")
    triplane = teacher.synthesize(teacher.mean_latent())
    image = teacher.render(triplane, Camera.orbit(torch.zeros(1), torch.zeros(1))).image
    assert image.shape == (1, 3, 16, 16)
    assert image.isfinite().all()
    summary = json.loads((finished / "summary.json").read_text())
    assert (summary["verb"], summary["status"], summary["scores"]["images"]) == (
        "pretrain",
        "finished",
        scored(finished)[-1],
    )
    assert summary["passport"]["kind"] == "eg3d"


def test_it_stops_at_its_images_and_a_finished_run_makes_no_further_step(finished, images):
    before = SafetensorsCheckpointIO().load_checkpoint(finished / "checkpoints" / "last")
    assert (before["seen"], before["steps"]) == (12, 3)
    run(finished, images, "schedule.total_images=12")
    after = SafetensorsCheckpointIO().load_checkpoint(finished / "checkpoints" / "last")
    assert after["steps"] == 3
    assert scored(finished) == [8, 12]
    assert all(
        torch.equal(value, after["state_dict"][name])
        for name, value in before["state_dict"].items()
    )


def test_a_run_in_slices_ends_with_the_weights_of_one_in_a_piece(
    images, tmp_path, finished, monkeypatch
):
    shortest = {
        "00:00:00:01": timedelta(microseconds=1),
        None: None,
    }  # a second might be enough for all
    monkeypatch.setattr(
        "pipeline.verbs.pretrain.Deadline",
        lambda max_time: SimpleNamespace(left=shortest[max_time]),
    )
    run(tmp_path / "sliced", images, "schedule.total_images=12", "trainer.max_time=00:00:00:01")
    assert (
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "sliced" / "checkpoints" / "last")[
            "steps"
        ]
        < 3
    )
    run(tmp_path / "sliced", images, "schedule.total_images=12")
    assert (
        len(list((tmp_path / "sliced" / "logs").glob("*/metrics.csv"))) == 2
    )  # no slice overwrites another's
    straight, sliced = (
        load_file(folder / "teacher" / "generator.safetensors")
        for folder in (finished, tmp_path / "sliced")
    )
    assert all(torch.equal(value, sliced[name]) for name, value in straight.items())


def test_a_run_goes_on_with_as_many_images_a_step(finished, images):
    """settings.batch_size is of each process: with other devices it would be another run."""
    with pytest.raises(ValueError, match=r"trainer\.devices"):
        run(finished, images, "schedule.total_images=16", "trainer.devices=2")


def test_an_image_size_that_the_discriminator_cannot_halve_fails_before_images_are_read(tmp_path):
    with pytest.raises(ValueError, match="give an image_resolution that is patch times a power"):
        run(
            tmp_path / "run",
            tmp_path / "missing.zip",
            "teacher.image_resolution=24",
            "teacher.render_resolution=24",
            "schedule.growth=[[0,24]]",
        )


def test_large_seeds_draw_images(images, tmp_path):
    run(tmp_path / "run", images, "schedule.total_images=4", f"seed={2**62 + 20261130}")


def test_a_new_run_can_start_from_a_teacher(finished, images, tmp_path, monkeypatch):
    started = {}

    def noted(module, *_, **__) -> None:
        started.update(module.average.state_dict())

    monkeypatch.setattr(Trainer, "fit", lambda self, module, *rest, **more: noted(module))
    run(tmp_path / "next", images, f"start_from={finished / 'teacher'}")
    kept = load_file(finished / "teacher" / "generator.safetensors")
    assert kept.keys() == started.keys()
    assert all(torch.equal(value, started[name]) for name, value in kept.items())


def test_a_run_that_goes_on_remembers_what_it_began_with_and_its_licence(
    finished, images, tmp_path
):
    origin = tmp_path / "origin"
    shutil.copytree(finished / "teacher", origin)
    passport = json.loads((origin / "passport.json").read_text())
    (origin / "passport.json").write_text(json.dumps(passport | {"licence": "for research"}))
    run(tmp_path / "next", images, f"start_from={origin}", "schedule.total_images=4")
    run(tmp_path / "next", images, "schedule.total_images=8")
    recorded = json.loads((tmp_path / "next" / "config.json").read_text())
    assert recorded["start_from"] == str(origin)
    assert load_teacher(tmp_path / "next" / "teacher").passport.licence.endswith(
        f"; begun from {passport['name']}: for research"
    )


def test_rays_that_the_teacher_has_no_pixels_for_are_refused_and_fewer_are_said(
    images, tmp_path, caplog
):
    with pytest.raises(ValueError, match=r"casts 32x32 rays from 8 images on, .* has 16x16"):
        run(tmp_path / "run", images, "schedule.growth=[[0,8],[8,32]]")
    run(tmp_path / "run", images, "schedule.growth=[[0,8]]", "schedule.total_images=4")
    assert "schedule.growth ends with 8x8 rays, the teacher has 16x16" in caplog.text


def test_a_run_of_puppets_from_before_their_cameras_were_compared_goes_on(tmp_path):
    config = compose("pretrain")
    earlier = to_plain(config)
    del earlier["data"]["camera_pivot"]
    with RunFolder(tmp_path) as folder:
        folder.record(earlier, free=free_keys(config), has_begun=False)
    RunFolder(tmp_path).require_same(to_plain(config), free=free_keys(config))


def test_puppets_are_refused_for_cameras_of_heads(tmp_path):
    settings = (f"paths.run={tmp_path / 'run'}", f"data.path={tmp_path / 'no.zip'}")
    with pytest.raises(ValueError, match=r"camera_pivot is .* world puppets look at"):
        pretrain.main(compose("pretrain", "teacher_network=heads64", *settings))


def test_photographs_have_eg3d_s_cameras_and_a_licence_that_somebody_states(tmp_path):
    def photographs():
        for png, label in identities(32):
            pixels = np.array(Image.open(io.BytesIO(png)))[..., :3]
            yield png_bytes(pixels), label

    data = write_dataset(tmp_path / "photographs.zip", photographs(), {})
    settings = ["data=photographs", f"data.path={data}", f"paths.run={tmp_path / 'run'}", *TINY]
    with pytest.raises(ValueError, match="licence is null"):
        pretrain.main(compose("pretrain", *settings))
    assert not (tmp_path / "run").exists()
    pretrain.main(
        compose("pretrain", *settings, "licence=as its photographs", "schedule.total_images=8")
    )
    passport = load_teacher(tmp_path / "run" / "teacher").passport
    assert (passport.licence, passport.background) == ("as its photographs", "black")
    assert (passport.camera_pivot, passport.box_size) == ((0.0, 0.0, 0.2), 1.0)
    assert "solid_ellipsoids" not in passport.options


def test_other_settings_are_another_run(finished, images):
    with pytest.raises(ValueError, match=r"settings\.r1_gamma: 0\.5 → 9\.0"):
        run(finished, images, "schedule.total_images=12", "settings.r1_gamma=9.0")


def test_too_few_images_are_refused_before_training(tmp_path):
    path = write_dataset(tmp_path / "few.zip", identities(3), {"alpha": "premultiplied"})
    with pytest.raises(ValueError, match="3 images, a teacher needs at least"):
        run(tmp_path / "run", path)


def test_unknown_settings_are_named(images, tmp_path):
    with pytest.raises((ValueError, TypeError), match="momentum"):
        run(tmp_path / "run", images, "+settings.momentum=0.9")


@pytest.mark.parametrize("machine", [None, "h100"])
def test_a_dry_run_says_what_the_training_takes_and_leaves_nothing(
    tmp_path, images, machine, capsys
):
    given = () if machine is None else (f"machine={machine}",)
    run(tmp_path / "run", images, "dry_run=true", "hours=1000", "schedule.total_images=16", *given)
    lines = capsys.readouterr().out.splitlines()
    if machine is not None:
        assert "extrapolated, not measured" in lines.pop(0)
    assert [line.split()[0] for line in lines[:4]] == ["rays", "8²", "16²", "the"]
    assert "16 images in " in lines[3]
    assert lines[4].startswith("after 41 d 16 h: all 16 images are seen")
    assert not (tmp_path / "run").exists()


def test_a_profile_of_a_training_names_its_stages(tmp_path, images):
    run(tmp_path, images, "profiler=1", "schedule.total_images=20", "progress.every_images=1000")
    (table,) = (tmp_path / "profile").glob("step-*/stages.md")
    rows = {line.split(" | ")[0].strip("| ") for line in table.read_text().splitlines()[2:]}
    assert rows >= {"generate planes", "render", "discriminate", "backward", "optimiser"}
