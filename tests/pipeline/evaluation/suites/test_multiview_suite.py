import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.evaluation.captures.camera_frame import convergence, frame_of_cameras, frame_of_given
from pipeline.evaluation.captures.captures import find_captures, read_capture, write_capture
from pipeline.evaluation.captures.similarity import Similarity, rotation_angle_deg
from pipeline.evaluation.items import ItemViews, Observation, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.suites.invariance import Invariance
from pipeline.evaluation.suites.multiview_suite import MultiviewSuite, on_background
from pipeline.evaluation.suites.puppet_captures import PuppetCaptures, world_of
from pipeline.portraits.cameras.readings import OURS, READINGS, read_as
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher

TEACHER = ToyTeacher(resolution=32, depth_samples=16, importance_samples=0)
CONTEXT = SuiteContext(passport=TEACHER.passport, image_size=32)
CAMERAS = Camera.orbit(torch.tensor([0.15, -0.5, 0.6, 0.1]), torch.tensor([0.05, 0.1, -0.1, 0.4]))


@pytest.fixture(scope="module")
def portrait(mean_portrait):
    return mean_portrait(TEACHER)


@pytest.fixture(scope="module")
def captures(portrait, tmp_path_factory):
    """The toy's mean head in a world of its own."""
    folder, head = tmp_path_factory.mktemp("captures"), world_of(0, 1)
    seen = Observation.of(portrait.render(CAMERAS))
    reference = ItemViews(seen.image.clamp(-1, 1), seen.depth * head.inverse().scale, seen.opacity)
    write_capture(
        folder / "subject", reference, head.inverse().camera(CAMERAS), head=head, background=1.0
    )
    return folder


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"scale": -1.0},
        {"rotation": [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]},
        {"rotation": [0.0] * 9},
    ],
)
def test_a_head_that_is_no_similarity_is_refused(captures, tmp_path, wrong):
    copy = Path(shutil.copytree(captures / "subject", tmp_path / "subject"))
    described = json.loads((copy / "cameras.json").read_text())
    described["head"] |= wrong
    (copy / "cameras.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"cameras\.json: head has scale .* right-handed"):
        read_capture(copy)


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), -1.0])
def test_depth_that_is_no_distance_is_refused(captures, tmp_path, wrong):
    copy = Path(shutil.copytree(captures / "subject", tmp_path / "subject"))
    file = sorted(copy.glob("*.depth.safetensors"))[0]
    depth = load_file(file)["depth"]
    depth[0, 0] = wrong
    save_file({"depth": depth}, file)
    with pytest.raises(ValueError, match=rf"{file.name} has depth of shape .* 0 for what isn"):
        read_capture(copy).load()


def suite(path, **changes) -> MultiviewSuite:
    return MultiviewSuite(
        **{"context": CONTEXT, "path": str(path), "invariance": Invariance(items=0), **changes}
    )


def scores(benchmark, portrait):
    item = benchmark.items()[0]
    seen = Observation.of(portrait.render(benchmark.targets(item, portrait)))
    prediction = benchmark.adjusted(item, Observation(seen.image, seen.depth, seen.opacity))
    return (
        item,
        prediction,
        benchmark.own_scores(
            item, MethodEntry("known", "known", lambda image: portrait), portrait, prediction
        ),
    )


def test_what_is_written_is_read_again(captures):
    capture = read_capture(captures / "subject")
    head = world_of(0, 1)
    assert capture.head.scale == pytest.approx(head.scale) and torch.allclose(
        capture.head.rotation, head.rotation
    )
    back = capture.head.camera(capture.camera)
    assert torch.allclose(back.cam_to_world, CAMERAS.cam_to_world, atol=1e-4)
    loaded = capture.load()
    assert loaded.image.shape == (4, 3, 32, 32) and loaded.depth.shape == loaded.opacity.shape == (
        4,
        1,
        32,
        32,
    )


def test_the_known_frame_shows_the_known_subject(captures, portrait):
    item, prediction, found = scores(suite(captures, frame="known"), portrait)
    assert (prediction.image.clamp(-1, 1) - item.reference.image).abs().max() < 0.02
    solid = item.reference.opacity > 0.95
    assert (prediction.depth - item.reference.depth)[solid].abs().max() < 0.01
    assert math.isnan(found["frame_turn"][0])


def test_a_frame_is_found_from_one_picture_and_said(captures, portrait):
    benchmark = suite(captures, rounds=6)
    item, prediction, found = scores(benchmark, portrait)
    assert (
        found["frame_turn"][0] < 1.5
        and found["frame_scale"][0] < 0.01
        and found["frame_fit"][0] < 0.01
    )
    assert found["frame_shift"][0] < 0.03
    assert found["frame_fit"] == [found["frame_fit"][0]] * 4
    assert (prediction.image.clamp(-1, 1) - item.reference.image).abs().mean() < 0.02
    solid = (item.reference.opacity > 0.95) & (prediction.opacity > 0.95)
    assert (prediction.depth - item.reference.depth)[solid].abs().mean() < 0.02
    (row,) = benchmark.extras([])["alignment"]["table"]["rows"]
    assert (
        row[:4] == ["subject", 4, "yes", "depth"] and 5 < row[5] < 15
    )  # the guess believes that the given view is frontal


def test_the_same_prediction_for_another_item_is_aligned_anew(captures, portrait, monkeypatch):
    benchmark, frames = suite(captures), []
    monkeypatch.setattr(
        MultiviewSuite,
        "_estimate",
        lambda self, item, portrait: frames.append(item.name) or (Similarity.identity(), 0.0),
    )
    item = benchmark.items()[0]
    for name in ("a", "a", "b", "a"):
        benchmark.targets(dataclasses.replace(item, name=name), portrait)
    assert frames == ["a", "b", "a"]


def test_cameras_alone_know_the_place_and_the_size_but_not_the_heads_direction(captures):
    capture = read_capture(captures / "subject")
    assert torch.allclose(
        capture.head(convergence(capture.camera)).float(), torch.zeros(3), atol=1e-3
    )
    guess = frame_of_cameras(capture.camera, TEACHER.passport)
    assert guess.scale == pytest.approx(capture.head.scale, rel=1e-3)
    given = guess.camera(capture.camera[:1])
    assert given.cam_to_world[0, 0, 3].abs() < 1e-3 and given.cam_to_world[
        0, :3, 3
    ].norm() == pytest.approx(2.7, abs=1e-3)


def test_a_frame_of_one_camera_undoes_a_world():
    world = world_of(3, 5)
    found = frame_of_given(world.inverse().camera(CAMERAS[:1]), CAMERAS[:1], world.scale)
    assert rotation_angle_deg(found.rotation @ world.rotation.mT) < 0.05
    assert torch.allclose(
        found(torch.ones(1, 3, dtype=torch.float64)),
        world(torch.ones(1, 3, dtype=torch.float64)),
        atol=1e-3,
    )


def test_puppets_are_exported_once_and_checked_against_their_manifest(tmp_path):
    path = tmp_path / "captures"
    puppets = PuppetCaptures(identities=2, views=3, supersampling=1)
    benchmark = suite(path, source=puppets, frame="known")
    manifest = benchmark.manifest()
    assert [entry["name"] for entry in manifest["items"]] == [
        "puppet00000",
        "puppet00001",
    ] and manifest["split"] == "test"
    assert all(len(entry["files"]) == 10 and entry["views"] == 3 for entry in manifest["items"])
    item = benchmark.items()[1]
    original = item.targets
    assert item.group in ("dark", "medium", "light") and original.cam_to_world[
        0, :3, 3
    ].norm() == pytest.approx(2.7, abs=1e-3)
    shutil.copy(path / "puppet00000" / "001.png", path / "puppet00000" / "000.png")
    with pytest.raises(ValueError, match="another file than the manifest says"):
        suite(path).manifest()


def test_captures_of_other_settings_are_refused_by_name(tmp_path):
    path = tmp_path / "captures"
    puppets = PuppetCaptures(identities=1, views=2, supersampling=1)
    before = suite(path, source=puppets).manifest()
    assert suite(path, source=puppets).manifest() == before and "source" not in before
    for change, found in (
        ({"views": 3, "seed": 5}, r"\{'views': 2, 'seed': 0\}.*\{'views': 3, 'seed': 5\}"),
        ({"has_depth": False}, r"\{'has_depth': True\}"),
    ):
        with pytest.raises(ValueError, match=rf"{found}.*another suite\.path, or remove"):
            suite(path, source=dataclasses.replace(puppets, **change)).manifest()
    larger = ToyTeacher(resolution=64, depth_samples=16, importance_samples=0)
    with pytest.raises(ValueError, match=r"'resolution': 32\}.*'resolution': 64\}"):
        suite(path, source=puppets, context=SuiteContext(larger.passport, image_size=64)).manifest()
    other = dataclasses.replace(puppets, views=3)
    assert suite(path, source=None).manifest() == before
    stored = json.loads((path / "manifest.json").read_text())
    del stored["source"]  # as earlier versions wrote it
    (path / "manifest.json").write_text(json.dumps(stored))
    assert suite(path, source=other).manifest() == before
    (path / "manifest.json").unlink()
    assert suite(path, source=other).manifest()["items"] == before["items"]


def test_folders_that_only_replaced_characters_tell_apart_are_items_of_their_own(
    captures, tmp_path
):
    folders = ["anna 1", "anna-1", "anna-1.2", "anna_1", "bob_2"]
    for folder in folders:
        shutil.copytree(captures / "subject", tmp_path / folder)
    benchmark = suite(tmp_path, frame="known")
    entries = benchmark.manifest()["items"]
    names = [entry["name"] for entry in entries]
    assert names == ["anna-1", "anna-1.3", "anna-1.2", "anna-1.4", "bob-2"]
    assert [item.name for item in benchmark.items()] == names
    for entry, folder in zip(entries, folders, strict=True):
        assert {file.partition("/")[0] for file in entry["files"]} == {folder}
    rows = benchmark.extras([])["alignment"]["table"]["rows"]
    assert [row[0] for row in rows] == names


def test_a_plain_background_is_exchanged_without_a_seam():
    opacity = torch.linspace(0, 1, 5).reshape(1, 1, 1, 5)
    subject = torch.full((1, 3, 1, 5), 0.2)
    white, black = (opacity * subject + (1 - opacity) * level for level in (1.0, -1.0))
    assert torch.allclose(on_background(white, opacity, old=1.0, new=0.0), black, atol=1e-6)
    assert torch.allclose(on_background(subject, opacity, old=None, new=0.0), black, atol=1e-6)


def test_pictures_and_masks_of_a_capture_are_read_as_photographs_are(captures, tmp_path):
    shutil.copytree(captures / "subject", tmp_path / "subject")
    capture = read_capture(tmp_path / "subject")
    before, (first, second) = capture.load(), capture.frames[:2]
    cut = Image.open(tmp_path / "subject" / first.image).convert("RGBA")
    pixels = np.array(cut)
    pixels[:4] = 0  # the head is below: white, the capture's background, before
    Image.fromarray(pixels).save(tmp_path / "subject" / first.image)
    assert (before.image[0, :, :4] == 1).all()
    mask = np.asarray(Image.open(tmp_path / "subject" / second.mask).convert("L"))
    Image.fromarray(mask.astype(np.uint16) * 257).save(tmp_path / "subject" / second.mask)
    after = capture.load()
    assert torch.equal(after.image, before.image) and torch.equal(after.opacity, before.opacity)
    with pytest.raises(ValueError, match=r"000\.png can't be used: some pixels are transparent"):
        dataclasses.replace(capture, background=None).load()


def test_a_damaged_capture_is_refused_by_name(captures, tmp_path):
    with pytest.raises(ValueError, match="holds no captures"):
        find_captures(tmp_path)
    shutil.copytree(captures / "subject", tmp_path / "subject")
    path = tmp_path / "subject" / "cameras.json"
    description = json.loads(path.read_text())
    for change, message in [
        ({"given": "absent.png"}, "names one of the frames"),
        (
            {
                "frames": [
                    {**frame, "camera": [2.0 * value for value in frame["camera"]]}
                    for frame in description["frames"]
                ]
            },
            "orthonormal",
        ),
        (
            {
                "frames": [
                    {**frame, "image": "x" + frame["image"]} for frame in description["frames"]
                ],
                "given": "x000.png",
            },
            "doesn't exist",
        ),
        ({"schema": 7}, "schema 7"),
        (
            {"frames": [{**f, "camera": [math.nan] * 25} for f in description["frames"]]},
            r"frames\[0\]\.camera\[0\] is nan",
        ),
    ]:
        path.write_text(json.dumps({**description, **change}))
        with pytest.raises(ValueError, match=message):
            read_capture(tmp_path / "subject")


@pytest.mark.parametrize("convention", READINGS)
def test_cameras_of_another_convention_are_refused_until_they_are_declared(
    captures, portrait, tmp_path, convention
):
    shutil.copytree(captures / "subject", tmp_path / "subject")
    path = tmp_path / "subject" / "cameras.json"
    description = json.loads(path.read_text())
    for frame in description["frames"]:
        pose = read_as(np.array(frame["camera"][:16]).reshape(1, 4, 4), OURS)
        if "OpenGL" in convention:
            pose = pose @ np.diag([1.0, -1, -1, 1])
        if "world-to-camera" in convention:
            pose = np.linalg.inv(pose)
        frame["camera"][:16] = pose.flatten().tolist()
    path.write_text(json.dumps(description))
    if convention != OURS:
        with pytest.raises(ValueError, match=f'add "convention": "{convention}"'):
            read_capture(tmp_path / "subject")
    path.write_text(json.dumps({**description, "convention": convention}))
    item, prediction, _ = scores(suite(tmp_path, frame="known"), portrait)
    assert (prediction.image.clamp(-1, 1) - item.reference.image).abs().max() < 0.02
    path.write_text(json.dumps({**description, "convention": "OpenGL"}))
    with pytest.raises(ValueError, match="convention 'OpenGL': use OpenCV camera-to-world"):
        read_capture(tmp_path / "subject")


def test_similarity_of_nothing_moves_no_camera():
    assert torch.equal(Similarity.identity().camera(CAMERAS).cam_to_world, CAMERAS.cam_to_world)
