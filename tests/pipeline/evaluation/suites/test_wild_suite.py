import dataclasses
import json
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluation.items import Observation, SuiteContext
from pipeline.evaluation.methods import MethodEntry, student_method
from pipeline.evaluation.suites.cycle import cycle_of
from pipeline.evaluation.suites.invariance import Invariance
from pipeline.evaluation.suites.wild_suite import WildSuite
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.pictures import write_png
from pipeline.portraits.cached_landmarks import CachedLandmarks
from pipeline.portraits.face import DetectedFace, Picture
from pipeline.portraits.framing import FaceCrops, WholePicture
from pipeline.portraits.front_door import PortraitSettings
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.toy import ToyTeacher
from tests.films import with_landmarks, write_film
from tests.pipeline.evaluation.toy_sampler import toy_sampler

TEACHER = ToyTeacher(resolution=32, depth_samples=16, importance_samples=0)
TAKEN = Camera.orbit(torch.tensor([0.25]), torch.tensor([0.1]))


@pytest.fixture(scope="module")
def portrait(mean_portrait):
    return mean_portrait(TEACHER)


@pytest.fixture(scope="module")
def folder(portrait, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wild")
    write_png(folder / "anna smith.png", portrait.render(TAKEN).image[0].clamp(-1, 1))
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def suite(path, **changes) -> WildSuite:
    context = SuiteContext(passport=TEACHER.passport, sampler=toy_sampler(TEACHER), image_size=32)
    door = PortraitSettings(framing=WholePicture())
    return WildSuite(
        **{
            "context": context,
            "path": str(path),
            "portraits": door,
            "invariance": Invariance(items=0),
            **changes,
        }
    )


def knows(portrait) -> MethodEntry:
    return MethodEntry("student", "student", lambda image: portrait)


def scores(benchmark, portrait, method=None):
    item = benchmark.items()[0]
    seen = Observation.of(portrait.render(benchmark.targets(item, portrait)))
    prediction = benchmark.adjusted(
        item, Observation(seen.image.clamp(-1, 1), seen.depth, seen.opacity)
    )
    return (
        item,
        prediction,
        benchmark.own_scores(item, method or knows(portrait), portrait, prediction),
    )


def test_a_file_that_is_no_good_stays_in_the_denominator(folder):
    benchmark = suite(folder)
    good, bad = benchmark.items()
    assert (good.name, bad.name) == ("anna-smith", "broken") and good.reference.image.shape == (
        1,
        3,
        32,
        32,
    )
    assert (
        bad.image is None and bad.reference is None and not bad.face_found and "picture" in bad.note
    )
    entries = benchmark.manifest()["items"]
    assert [entry["views"] for entry in entries] == [1, 1] and all(
        len(entry["source_sha256"]) == 64 for entry in entries
    )
    json.dumps(benchmark.manifest())
    json.dumps(benchmark.settings())


def test_with_track_a_film_s_squares_don_t_jitter(tmp_path):
    """The same film twice; landmarks wobble by a pixel from frame to frame."""
    pixels = [np.full((64, 64, 3), 20 * row, np.uint8) for row in range(8)]
    wobbling = [(32.0 + row % 2, 32.0) for row in range(8)]
    film = write_film(tmp_path / "clip.mp4", pixels, sound=None)
    with_landmarks(film, wobbling, 30.0)
    door = PortraitSettings(framing=FaceCrops(CachedLandmarks()))
    lefts = {}
    for track in (False, True):
        benchmark = suite(film, portraits=door, track=track)
        entries = benchmark.manifest()["items"]
        assert len(benchmark.items()) == len(entries) == 8
        lefts[track] = [entry["crop"]["left"] for entry in entries]
    jitter = {track: np.abs(np.diff(values)).mean() for track, values in lefts.items()}
    assert jitter[True] < 0.3 * jitter[False]


class People:
    """Finds so many people in each frame, from left to right."""

    name = "people"

    def __init__(self, counts: list[int]) -> None:
        self.counts = counts

    def detect(self, picture: Picture) -> list[DetectedFace]:
        lefts = (4, 36)[: self.counts[picture.frame]]
        return [DetectedFace(left, 20, 20, 24) for left in lefts]


def test_the_faces_of_a_film_are_subjects_and_videos_of_their_own(tmp_path):
    film = write_film(tmp_path / "two.mp4", [np.full((64, 64, 3), 99, np.uint8)] * 3, sound=None)
    door = PortraitSettings(framing=FaceCrops(People([2, 2, 2]), faces="all"))
    items = list(suite(film, portraits=door).items())
    assert [item.name for item in items[:2]] == ["two.frame00000", "two.frame00000.face2"]
    faces = ["two.mp4", "two.mp4+face2"]
    assert [item.subject for item in items] == [item.sequence for item in items] == faces * 3
    alone = suite(film, portraits=PortraitSettings(framing=WholePicture())).items()
    assert [(item.subject, item.sequence) for item in alone] == [("two.mp4", "two.mp4")] * 3


def test_a_face_that_was_away_begins_another_video(tmp_path):
    film = write_film(tmp_path / "two.mp4", [np.full((64, 64, 3), 99, np.uint8)] * 9, sound=None)
    # every other frame is read: 0, 2, 4, 6, 8
    counts = [2, 9, 1, 9, 2, 9, 2, 9, 1]
    door = PortraitSettings(framing=FaceCrops(People(counts), faces="all"), every=2)
    seen = [
        (item.name.endswith("face2"), item.subject, item.sequence)
        for item in suite(film, portraits=door).items()
    ]
    name = "two.mp4+face2"
    assert [one for is_second, *one in seen if is_second] == [
        [name, name],
        *[[name, f"{name}+frame00004"]] * 2,
    ]
    assert [one for is_second, *one in seen if not is_second] == [["two.mp4", "two.mp4"]] * 5


@pytest.mark.parametrize("faces", ["all", "largest"])
def test_a_frame_without_a_face_ends_a_video(tmp_path, faces):
    film = write_film(tmp_path / "one.mp4", [np.full((64, 64, 3), 99, np.uint8)] * 6, sound=None)
    door = PortraitSettings(framing=FaceCrops(People([0, 1, 1, 0, 1, 1]), faces=faces))
    items = suite(film, portraits=door).items()
    again = "one.mp4+frame00004"
    assert [item.sequence for item in items] == [None, "one.mp4", "one.mp4", None, again, again]
    assert [item.face_found for item in items] == [False, True, True, False, True, True]
    assert {item.subject for item in items} == {"one.mp4"}


def test_an_unknown_camera_is_estimated_and_a_perfect_lift_is_itself_again(folder, portrait):
    item, prediction, found = scores(suite(folder), portrait)
    assert item.camera is None and found["camera_fit"][0] < 0.01
    assert (prediction.image - item.reference.image).abs().mean() < 0.01
    assert (
        found["cycle"] == [100.0] and found["cycle_photo"][0] > 30
    )  # whoever is lifted, it is the same subject


def test_a_second_lift_of_another_identity_has_a_bad_cycle(portrait):
    other = LiftedPortrait(
        portrait.lifter,
        TEACHER.synthesize(TEACHER.map_latents(torch.full((1, TEACHER.z_dim), 1.5))),
    )
    photograph = portrait.render(TAKEN).image.clamp(-1, 1)
    round_trip = cycle_of(
        MethodEntry("fickle", "fickle", lambda image: other),
        portrait,
        TAKEN,
        photograph,
        side_yaw_deg=25,
    )
    assert round_trip.own < 25 and round_trip.own == pytest.approx(round_trip.photograph)
    seen = []
    cycle_of(
        MethodEntry("spy", "spy", lambda image: seen.append(image) or portrait),
        portrait,
        TAKEN,
        photograph,
        side_yaw_deg=20,
    )
    aside = Camera.orbit(torch.tensor([0.25 - math.radians(20)]), torch.tensor([0.1]))
    assert (
        seen[0] - portrait.render(aside).image.clamp(-1, 1)
    ).abs().mean() < 0.02  # towards the front


def test_a_lift_of_which_nothing_is_to_be_seen_has_no_cycle(portrait):
    class Unrenderable(LiftedPortrait):
        def render(self, camera: Camera) -> Rendering:
            seen = super().render(camera)
            return dataclasses.replace(
                seen, image=torch.ones_like(seen.image), opacity=torch.zeros_like(seen.opacity)
            )

    empty = Unrenderable(portrait.lifter, portrait.triplane)
    photograph = portrait.render(TAKEN).image.clamp(-1, 1)
    round_trip = cycle_of(knows(empty), empty, TAKEN, photograph, side_yaw_deg=25)
    assert math.isnan(round_trip.own) and round_trip.photograph < 20


def test_other_methods_are_not_lifted_twice(folder, portrait):
    _, _, found = scores(suite(folder, cycle_methods=["empty"], rounds=1), portrait)
    assert math.isnan(found["cycle"][0]) and math.isnan(found["cycle_photo"][0])


def test_a_rigid_motion_is_taken_out_and_reported(folder, portrait):
    benchmark = suite(folder, rounds=1)
    item = benchmark.items()[0]
    moved = torch.roll(item.reference.image, 2, -1)
    ones = torch.ones(1, 1, 32, 32)
    prediction = benchmark.adjusted(item, Observation(moved, ones * 2.7, ones))
    assert (prediction.image - item.reference.image)[:, :, :, 2:-4].abs().mean() < (
        moved - item.reference.image
    ).abs().mean() / 3
    assert (
        (prediction.image[..., -1] == -1).all()
        and (prediction.depth[..., -1] == 0).all()
        and prediction.depth[0, 0, 16, 16] == pytest.approx(2.7)
    )
    benchmark._last.update(camera=item.targets, fit=math.nan)
    found = benchmark.own_scores(
        item, MethodEntry("empty", "", lambda image: portrait), portrait, prediction
    )
    assert found["aligned_shift"][0] == pytest.approx(100 * 2 / 32, abs=0.5) and found[
        "by_landmarks"
    ] == [0.0]
    assert suite(folder, alignment="none").adjusted(item, prediction) is prediction


def test_landmarks_beside_the_picture_give_its_camera_and_coverage(folder, portrait, tmp_path):
    pixels = np.full((200, 200, 3), 128, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    Image.fromarray(pixels).save(tmp_path / "none.png")
    points = [[80.0, 90.0], [120.0, 90.0], [100.0, 112.0], [84.0, 132.0], [116.0, 132.0]]
    (tmp_path / "face.json").write_text(json.dumps({"landmarks": points}))
    benchmark = suite(tmp_path, portraits=PortraitSettings(framing=FaceCrops(CachedLandmarks())))
    items = {item.name: item for item in benchmark.items()}
    assert items["face"].camera is not None and torch.equal(
        benchmark.targets(items["face"], portrait).cam_to_world, items["face"].targets.cam_to_world
    )
    coverage = benchmark.extras([])["coverage"]
    assert coverage["title"] == "camera coverage, 1 photographs" and any(
        "1 photographs without a known camera" in note for note in coverage["notes"]
    )


def test_a_zip_is_the_same_folder(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "wild.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    packed = suite(tmp_path / "wild.zip", cache=str(tmp_path / "cache"))
    assert packed.manifest()["items"] == suite(folder).manifest()["items"]
    assert suite(folder / "anna smith.png").manifest()["items"] == packed.manifest()["items"][:1]


def test_a_students_invariance_stands_beside_the_scores(folder, portrait):
    extras = suite(folder, invariance=Invariance(items=4)).extras([student_method(portrait.lifter)])
    assert len(extras["invariance"]["table"]["rows"]) == 7


def test_the_frames_of_a_film_are_one_identity(folder, portrait, tmp_path):
    pixels = [np.full((64, 64, 3), 20 * row, np.uint8) for row in range(4)]
    film = write_film(tmp_path / "clip.mp4", pixels, sound=None)
    methods = [student_method(portrait.lifter)]
    alone = suite(film, invariance=Invariance(items=4)).extras(methods)["invariance"]
    assert alone["title"].endswith(" 1 identity")
    assert any("there is no other identity" in note for note in alone["notes"])
    columns = list(zip(*alone["table"]["rows"], strict=True))
    assert {*columns[2], *columns[3]} == {None}
    (tmp_path / "anna.png").write_bytes((folder / "anna smith.png").read_bytes())
    both = suite(tmp_path, invariance=Invariance(items=4)).extras(methods)["invariance"]
    assert both["title"].endswith(" 2 identities")
    assert all(share is not None for row in both["table"]["rows"] for share in row[2:4])


def test_the_identity_of_a_film_is_seen_where_its_face_is(tmp_path):
    pixels = [np.full((64, 64, 3), 60 * row, np.uint8) for row in range(3)]
    film = write_film(tmp_path / "clip.mp4", pixels, sound=None)
    seen = []

    def lift(image):
        seen.append(image)
        raise InterruptedError

    door = PortraitSettings(framing=FaceCrops(People([0, 1, 1])))
    with pytest.raises(InterruptedError):
        suite(film, portraits=door, invariance=Invariance(items=1)).extras(
            [MethodEntry("student", "student", lift)]
        )
    assert seen[0].mean() == pytest.approx(60 / 127.5 - 1, abs=0.05)


@pytest.mark.parametrize("wrong", [{"alignment": "luck"}, {"alignment": "landmarks"}])
def test_nonsense_is_refused(folder, wrong):
    with pytest.raises(ValueError, match=r"use landmarks|needs a landmark detector"):
        suite(folder, **wrong)
