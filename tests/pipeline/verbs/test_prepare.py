"""`trilift prepare`: photographs become a collection that a teacher can be trained on; what is left
out is listed.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose, instantiate
from pipeline.data.photographs import Photographs, validate_photographs
from pipeline.portraits import front_door
from pipeline.portraits.front_door import read_portraits
from pipeline.pretraining.training_images import labelled_images
from pipeline.verbs import prepare

FIVE = [[80, 70], [120, 70], [100, 95], [84, 114], [116, 114]]


def photograph(path: Path, seed: int = 0) -> Path:
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (200, 220, 3), np.uint8)).save(
        path
    )
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three photographs, two of them with landmarks; a text."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed, name in enumerate(("anna", "bo", "cem")):
        photograph(folder / f"{name}.png", seed)
    for name, shift in (("anna", 0), ("bo", 9)):
        (folder / f"{name}.json").write_text(
            json.dumps({"landmarks": [[x + shift, y] for x, y in FIVE]})
        )
    (folder / "cem.json").write_text('{"landmarks": []}')
    (folder / "notes.txt").write_text("no photograph")
    return folder


def run(source: Path, output: Path, *overrides: str) -> int:
    chosen = any(override.startswith("portraits=") for override in overrides)
    portraits = [] if chosen else ["portraits=landmarks"]
    given = [f"input={source}", f"output={output}", "resolution=32", *portraits, *overrides]
    try:
        prepare.main(compose("prepare", *given))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def labels(output: Path) -> dict[str, list[float]]:
    return dict(json.loads((output / "dataset.json").read_text())["labels"])


def test_what_has_a_pose_becomes_a_collection_and_the_rest_is_listed(folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(folder, output) == 1
    assert validate_photographs(output) == 2 and list(labels(output)) == [
        "crops/anna.png",
        "crops/bo.png",
    ]
    said = capsys.readouterr()
    complaints = [line for line in said.err.splitlines() if "left out" in line]
    assert [
        "cem.png: left out: no face found" in complaints[0],
        "notes.txt: left out: not a picture" in complaints[1],
    ] == [True, True]
    assert (
        len(complaints) == 2
        and "2 crops with cameras" in said.out
        and "1 without a known pose" in said.out
        and "1 unusable" in said.out
    )
    assert (output / "unposed" / "cem.png").is_file()
    assert labelled_images(path=str(output), resolution=32).cameras.cam_to_world.shape[0] in (
        2,
        4,
    )


def test_all_good_is_status_0_and_nothing_good_is_status_2(folder, tmp_path):
    assert run(folder / "anna.png", tmp_path / "one") == 0
    assert run(folder / "notes.txt", tmp_path / "none") == 2
    assert not (tmp_path / "none" / "dataset.json").exists()
    assert run(folder / "cem.png", tmp_path / "faceless") == 1


def test_mirrored_crops_have_mirrored_cameras(folder, tmp_path):
    run(folder, tmp_path / "out", "mirrored=true")
    photographs = Photographs(tmp_path / "out")
    assert len(photographs) == 4
    straight, twin = photographs[0], photographs[1]
    assert torch.equal(straight.pixels.flip(-1), twin.pixels)
    torch.testing.assert_close(straight.camera.mirrored().label(), twin.camera.label())


@pytest.mark.parametrize("lost", ["crops/anna.png", "crops/anna+mirrored.png"])
def test_a_crop_or_mirror_image_that_was_lost_is_written_again(folder, tmp_path, lost):
    output = tmp_path / "out"
    run(folder, output, "mirrored=true")
    whole = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    (output / lost).unlink()
    assert run(folder, output, "mirrored=true") == 1
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == whole


def test_an_interrupted_preparation_goes_on_and_gives_the_same(folder, tmp_path, monkeypatch):
    run(folder, tmp_path / "whole")

    def stopped(file, *arguments, **settings):
        if file.name == "bo.png":
            raise KeyboardInterrupt
        return front_door.portraits_of(file, *arguments, **settings)

    monkeypatch.setattr(prepare, "portraits_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "again")
    assert not (tmp_path / "again" / "dataset.json").exists()
    with (tmp_path / "again" / "portraits.jsonl").open("a") as records:
        records.write('{"source": "bo.p')  # as a crash leaves it
    seen = []
    monkeypatch.setattr(
        prepare,
        "portraits_of",
        lambda file, *a, **s: seen.append(file.name) or front_door.portraits_of(file, *a, **s),
    )
    assert run(folder, tmp_path / "again") == 1
    assert seen == ["bo.png", "cem.png", "notes.txt"]
    for name in ("dataset.json", "portraits.jsonl", "crops/bo.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_new_landmarks_a_new_file_and_a_gone_one_are_noticed(folder, tmp_path):
    output = tmp_path / "out"
    run(folder, output)
    before = labels(output)
    (folder / "cem.json").write_text(json.dumps({"landmarks": FIVE}))
    for name in ("anna.png", "anna.json"):
        (folder / name).unlink()
    photograph(folder / "dora.png", 7)
    (folder / "dora.json").write_text(json.dumps({"landmarks": FIVE}))
    (folder / "notes.txt").unlink()
    assert run(folder, output) == 0
    after = labels(output)
    assert (
        list(after) == ["crops/bo.png", "crops/cem.png", "crops/dora.png"]
        and after["crops/bo.png"] == before["crops/bo.png"]
    )
    assert {file.name for file in output.rglob("*.png")} == {"bo.png", "cem.png", "dora.png"}


def test_new_landmarks_in_a_folder_of_their_own_are_noticed(folder, tmp_path):
    apart, output = tmp_path / "landmarks", tmp_path / "out"
    apart.mkdir()
    (folder / "anna.json").rename(apart / "anna.json")
    given = (folder / "anna.png", output, f"portraits.framing.detector.folder={apart}")
    crops = []
    for shift in (0, 9):
        moved = [[x + shift, y] for x, y in FIVE]
        (apart / "anna.json").write_text(json.dumps({"landmarks": moved}))
        assert run(*given) == 0
        line = json.loads((output / "portraits.jsonl").read_text())
        crops.append(line["portraits"][0]["crop"]["left"])
    assert crops[1] - crops[0] == pytest.approx(9)


def test_other_settings_and_other_folders_are_not_overwritten(folder, tmp_path):
    output = tmp_path / "out"
    run(folder, output)
    with pytest.raises(ValueError, match=r"another resolution.*overwrite=true"):
        run(folder, output, "resolution=16")
    assert (
        run(folder, output, "resolution=16", "overwrite=true") == 1
        and Photographs(output).resolution == 16
    )
    with pytest.raises(FileExistsError, match="wasn't written by trilift prepare"):
        run(folder, tmp_path)
    with pytest.raises(ValueError, match="folder of the photographs"):
        run(folder, folder)


def test_an_unknown_pose_is_not_called_frontal(folder, tmp_path, capsys):
    assert run(folder / "anna.png", tmp_path / "out", "portraits=centre") == 1
    assert (
        "pose unknown" in capsys.readouterr().err
        and not (tmp_path / "out" / "dataset.json").exists()
    )


def test_what_was_prepared_comes_in_again_with_its_cameras(folder, tmp_path):
    run(folder, tmp_path / "out")
    settings = instantiate(compose("lift", "portraits=prepared").portraits)
    for part, is_known in (("crops", True), ("unposed", False)):
        portraits = list(read_portraits(tmp_path / "out" / part, settings, resolution=32))
        assert portraits and all(
            (portrait.camera is not None) == is_known for portrait in portraits
        )
    (anna, _) = read_portraits(tmp_path / "out" / "crops", settings, resolution=32)
    torch.testing.assert_close(
        anna.camera.label()[0], torch.tensor(labels(tmp_path / "out")["crops/anna.png"])
    )
    (tmp_path / "out" / "dataset.json").unlink()
    assert all(
        "no dataset.json" in portrait.note
        for portrait in read_portraits(tmp_path / "out" / "crops", settings, resolution=32)
    )


def test_a_source_replaced_by_another_of_the_same_stem_keeps_its_crop(folder, tmp_path):
    run(folder, tmp_path / "out")
    Image.open(folder / "anna.png").convert("RGB").save(folder / "anna.bmp")
    (folder / "anna.png").unlink()
    run(folder, tmp_path / "out")
    assert sorted(labels(tmp_path / "out")) == ["crops/anna.png", "crops/bo.png"]
    assert validate_photographs(tmp_path / "out") == 2


def test_a_new_source_never_takes_the_crop_of_another(folder, tmp_path):
    """While anna.png and anna.bmp both exist, the first one's crop is called anna_png."""
    Image.new("RGB", (220, 200), "red").save(folder / "anna.bmp")
    run(folder, tmp_path / "out")
    before = (tmp_path / "out/crops/anna_png.png").read_bytes()
    (folder / "anna.bmp").unlink()
    photograph(folder / "anna_png.webp", seed=7)
    (folder / "anna_png.json").write_text((folder / "bo.json").read_text())
    run(folder, tmp_path / "out")
    assert (tmp_path / "out/crops/anna.png").read_bytes() == before
    assert (tmp_path / "out/crops/anna_png.png").read_bytes() != before
    assert len(labels(tmp_path / "out")) == 3


def test_a_damaged_animation_is_left_out_and_the_collection_stays(folder, tmp_path, capsys):
    run(folder, tmp_path / "out")
    before = labels(tmp_path / "out")
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    whole = (folder / "moving.gif").read_bytes()
    (folder / "moving.gif").write_bytes(whole[: whole.rindex(b",") + 9])  # in the second frame
    capsys.readouterr()
    assert run(folder, tmp_path / "out") == 1
    assert "moving.gif: left out: damaged GIF file" in capsys.readouterr().err
    assert labels(tmp_path / "out") == before


def test_records_that_can_t_be_read_leave_the_collection_as_it_is(folder, tmp_path):
    run(folder, tmp_path / "out")
    with (tmp_path / "out" / "portraits.jsonl").open("a") as records:
        records.write("{}\n")
    with pytest.raises(ValueError, match="overwrite=true writes it again"):
        run(folder, tmp_path / "out")
    assert validate_photographs(tmp_path / "out") == 2
