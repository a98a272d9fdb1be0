"""`trilift pretrain experiment=constant_latent`: a converted teacher learns to draw without a w."""

import functools
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.build.configuration import compose
from pipeline.lifter import Lifter, Recipe
from pipeline.pretraining import progress as teacher_progress
from pipeline.verbs import pretrain
from pipeline.worlds.dataset_zip import png_bytes, write_dataset
from teachers.checkpoint import BUNDLED, load_teacher
from teachers.eg3d.teacher import EG3DTeacher, passport_of, save_eg3d
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings, tiny_discriminator

CHECKPOINT = smallest_eg3d_settings(
    16,
    image_resolution=128,
    super_resolution="2X",
    sr_latent="teacher_w",
    depth_samples=4,
    importance_samples=4,
)
LICENCE = "for research only"


def identities(count: int) -> Iterator[tuple[bytes, list[float]]]:
    random = np.random.default_rng(0)
    for label in Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count)).label():
        yield (
            png_bytes(
                np.kron(
                    random.integers(0, 255, (8, 8, 3), np.uint8), np.ones((16, 16, 1), np.uint8)
                )
            ),
            label.tolist(),
        )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "squares.zip", identities(20), {})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """As `trilift convert` leaves one."""
    teacher = untrained_teacher(CHECKPOINT)
    passport = passport_of(
        teacher.configuration, name="official", source_hash="of a pickle", licence=LICENCE
    )
    critic = tiny_discriminator(128, 6, seed=1, channel_base=128, num_mapping_layers=2)
    folder = tmp_path_factory.mktemp("teachers") / "official"
    save_eg3d(
        folder,
        EG3DTeacher(teacher.generator, passport),
        critic,
        {"provenance.json": json.dumps({"file": "official.pkl"})},
    )
    return folder


def tune(folder: Path, pictures: Path, checkpoint: Path | str, images: int, *more: str) -> None:
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # few identities are scored and shown: the pictures are large for a test
        patch.setattr(
            teacher_progress,
            "view_scores",
            functools.partial(teacher_progress.view_scores, identities=2),
        )
        patch.setattr(
            teacher_progress,
            "teacher_sheet",
            functools.partial(teacher_progress.teacher_sheet, identities=1),
        )
        settings = (
            f"start_from={checkpoint}", f"data.path={pictures}", f"paths.run={folder}",
            f"schedule.total_images={images}", "settings.batch_size=2", "progress.scored=4",
            "progress.real=20", "trainer.accelerator=cpu", "trainer.devices=1",
        )  # fmt: skip
        pretrain.main(compose("pretrain", "experiment=constant_latent", *settings, *more))


@pytest.fixture(scope="module")
def tuned(pictures, checkpoint, tmp_path_factory) -> Path:
    """Two steps of two pictures."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    tune(folder, pictures, checkpoint, 4)
    return folder


def look(teacher: EG3DTeacher, ws_of: int) -> torch.Tensor:
    """Identity 0 drawn with the latent of another."""
    ws = teacher.map_latents(torch.randn(3, 8, generator=torch.Generator().manual_seed(1)))
    return teacher.render(
        teacher.synthesize(ws[:1]),
        Camera.orbit(torch.zeros(1), torch.zeros(1)),
        ws=ws[ws_of : ws_of + 1],
    ).image


def test_the_latent_no_longer_reaches_the_picture_but_through_the_planes(checkpoint, tuned):
    before, after = load_teacher(checkpoint), load_teacher(tuned / "teacher")
    assert not torch.allclose(look(before, 0), look(before, 1), atol=1e-3)
    assert torch.equal(look(after, 0), look(after, 1))
    assert after.passport.sr_latent == after.configuration.sr_latent == "constant_one"


def test_the_networks_are_the_checkpoints_and_train_on_from_its_weights(checkpoint, tuned):
    before, after = load_teacher(checkpoint), load_teacher(tuned / "teacher")
    kept = {**before.configuration.to_dict(), "sr_latent": "constant_one"}
    assert after.configuration.to_dict() == kept
    for network in ("generator", "discriminator"):
        old, new = (
            load_file(folder / f"{network}.safetensors")
            for folder in (checkpoint, tuned / "teacher")
        )
        assert old.keys() == new.keys()
        moved = {name: (old[name] - new[name]).abs().max().item() for name in old}
        assert max(moved.values()) < 0.02, max(
            moved, key=moved.get
        )  # two steps of Adam at rates of 0.002
        assert (
            moved[
                (
                    "renderer.super_resolution.block1.conv1.weight"
                    if network == "generator"
                    else "b128.fromrgb.weight"
                )
            ]
            > 0
        )
        assert (
            moved[
                (
                    "renderer.decoder.net.0.weight"
                    if network == "generator"
                    else "mapping.embed.weight"
                )
            ]
            > 0
        )


def test_the_folder_says_what_it_was_tuned_from_and_what_that_did(tuned):
    folder = tuned / "teacher"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert (provenance["tuned_from"]["name"], provenance["tuned_from"]["source_hash"]) == (
        "official",
        "of a pickle",
    )
    changed = provenance["changed"]
    assert changed["sr_latent"] == ["teacher_w", "constant_one"]
    before, after = changed["training_data"]
    assert before == [] and [entry["name"] for entry in after] == [
        "what official was trained on",
        "photographs squares.zip",
    ]
    assert set(changed) == {"sr_latent", "training_data"}
    assert provenance["provenance_of_checkpoint"] == {"file": "official.pkl"}
    scores = provenance["scores"]
    assert (scores["untuned"]["images"], scores["tuned"]["images"]) == (0, 4)
    assert scores["checkpoint"]["pixels_floor"] == scores["tuned"]["pixels_floor"]
    assert len({scores[when]["pixels"] for when in ("checkpoint", "untuned", "tuned")}) == 3
    assert load_teacher(folder).passport.licence == LICENCE
    card = (folder / "card.md").read_text()
    assert (
        LICENCE in card
        and "| score | checkpoint (teacher_w) | untuned (constant_one) | tuned |" in card
    )


def test_a_student_can_draw_with_it_and_could_not_before(checkpoint, tuned):
    encoder, recipe = torch.nn.Identity(), Recipe("students.two_stage.TwoStageEncoder", {})
    with pytest.raises(ValueError, match="sr_latent=teacher_w"):
        Lifter.from_teacher(
            encoder=encoder, encoder_recipe=recipe, teacher=load_teacher(checkpoint)
        )
    teacher = load_teacher(tuned / "teacher")
    lifter = Lifter.from_teacher(encoder=encoder, encoder_recipe=recipe, teacher=teacher)
    triplane, camera = (
        teacher.synthesize(teacher.mean_latent()),
        Camera.orbit(torch.zeros(1), torch.zeros(1)),
    )
    assert torch.equal(
        lifter.render(triplane, camera).image, teacher.render(triplane, camera).image
    )


def test_a_tuning_in_slices_ends_with_the_weights_of_one_in_a_piece(
    pictures, checkpoint, tuned, tmp_path
):
    tune(tmp_path / "sliced", pictures, checkpoint, 2)
    tune(tmp_path / "sliced", pictures, checkpoint, 4)
    for network in ("generator", "discriminator"):
        straight, sliced = (
            load_file(folder / "teacher" / f"{network}.safetensors")
            for folder in (tuned, tmp_path / "sliced")
        )
        assert all(torch.equal(value, sliced[name]) for name, value in straight.items())
    assert (
        json.loads((tmp_path / "sliced" / "teacher" / "provenance.json").read_text())["scores"][
            "untuned"
        ]["images"]
        == 0
    )


def test_a_teacher_without_super_resolution_is_kept_as_it_is(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        tune(tmp_path / "run", tmp_path / "no.zip", "bundled/puppets", 4)
    assert "there is nothing to fix" in caplog.text
    files = sorted(path.name for path in (BUNDLED / "puppets").iterdir())
    assert sorted(path.name for path in (tmp_path / "run" / "teacher").iterdir()) == files
    assert (
        load_teacher(tmp_path / "run" / "teacher").passport
        == load_teacher("bundled/puppets").passport
    )
    with pytest.raises(ValueError, match=r"holds another teacher than bundled/heads"):
        tune(tmp_path / "run", tmp_path / "no.zip", "bundled/heads", 4)
    assert load_teacher(tmp_path / "run" / "teacher").passport.name == "puppets"
    caplog.clear()
    with caplog.at_level(logging.INFO):
        tune(tmp_path / "dry", tmp_path / "no.zip", "bundled/puppets", 4, "dry_run=true")
    assert "there is nothing to fix" in caplog.text and "is a copy" not in caplog.text
    assert not (tmp_path / "dry").exists()


def test_a_checkpoint_without_discriminator_is_refused(pictures, checkpoint, tmp_path):
    alone = tmp_path / "alone"
    save_eg3d(alone, load_teacher(checkpoint))
    with pytest.raises(FileNotFoundError, match="has no discriminator"):
        tune(tmp_path / "run", pictures, alone, 4)
    assert not (tmp_path / "run").exists()


def test_a_tuning_of_nothing_is_refused(tmp_path):
    settings = ("data.path=x", f"paths.run={tmp_path / 'run'}")
    with pytest.raises(ValueError, match=r"start_from is null.* give start_from=DIR"):
        pretrain.main(compose("pretrain", "experiment=constant_latent", *settings))
    assert not (tmp_path / "run").exists()
