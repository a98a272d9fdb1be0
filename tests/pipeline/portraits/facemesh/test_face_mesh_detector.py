"""The detector on a real face: where its points are, at any size, place and turn."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline.evaluation
from pipeline.portraits.face import LandmarkDetector, Picture
from pipeline.portraits.facemesh.blaze_face import Candidate, overlaps, weighted_suppression
from pipeline.portraits.facemesh.detector import FaceMeshDetector, windows

ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"
NOWHERE = Path("nowhere.png")

EYES_AND_MOUTH = np.array([[203.6, 101.8], [246.0, 103.8], [199.7, 139.1], [247.7, 141.3]])
"""In scikit-image's picture of 512² pixels; other detectors agree within 2 to 5 pixels."""

HEAD = (120, 0, 330, 210)
FACE = 95 / 210
"""Width of the face in widths of `HEAD`."""


@pytest.fixture(scope="module")
def detector() -> FaceMeshDetector:
    return FaceMeshDetector()


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    data = pytest.importorskip("skimage.data")
    return Image.fromarray(data.astronaut())


def eyes_and_mouth(face) -> np.ndarray:
    return face.five_points()[[0, 1, 3, 4]]


def test_the_astronaut_s_eyes_and_mouth_are_where_they_are(detector, astronaut):
    assert isinstance(detector, LandmarkDetector)
    (face,) = detector.detect(Picture(astronaut, NOWHERE))
    np.testing.assert_allclose(eyes_and_mouth(face), EYES_AND_MOUTH, atol=1.2)
    np.testing.assert_allclose(face.landmarks[1], [223.5, 128.6], atol=1.2)
    assert face.landmarks.shape == (468, 2) and 92 < face.width < 98


def test_a_turned_photograph_gives_turned_points(detector, astronaut):
    turned = astronaut.rotate(-30, Image.Resampling.BICUBIC, center=(225, 110))
    (face,) = detector.detect(Picture(turned, NOWHERE))
    angle = math.radians(30)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    expected = (EYES_AND_MOUTH - (225, 110)) @ turn.T + (225, 110)
    np.testing.assert_allclose(eyes_and_mouth(face), expected, atol=2.5)


@pytest.mark.parametrize(
    ("size", "share"),
    [((900, 600), 0.1), ((600, 900), 0.1), ((1000, 1000), 0.1), ((1200, 500), 0.12)],
)
def test_every_face_of_a_group_is_found_down_to_a_tenth_of_the_width(
    detector, astronaut, size, share
):
    side = round(size[0] * share / FACE)
    places = [(0, 0), (size[0] - side, size[1] - side), (size[0] // 2 - side // 2, 40)]
    group = Image.new("RGB", size, (90, 110, 130))
    for place in places:
        group.paste(astronaut.crop(HEAD).resize((side, side), Image.Resampling.LANCZOS), place)
    found = detector.detect(Picture(group, NOWHERE))
    assert len(found) == len(places)
    scale = side / (HEAD[2] - HEAD[0])
    for place in places:
        expected = (EYES_AND_MOUTH - HEAD[:2]) * scale + place
        nearest = min(np.abs(eyes_and_mouth(face) - expected).max() for face in found)
        assert nearest < 2.5 * scale


def test_faces_of_several_sizes_come_largest_first(detector, astronaut):
    head = astronaut.crop(HEAD)
    group = Image.new("RGB", (800, 500), "grey")
    for side, place in ((180, (20, 20)), (400, (380, 50)), (260, (60, 220))):
        group.paste(head.resize((side, side), Image.Resampling.LANCZOS), place)
    widths = [face.width for face in detector.detect(Picture(group, NOWHERE))]
    assert len(widths) == 3 and widths == sorted(widths, reverse=True)


def test_pictures_without_a_face_have_none(detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    for image in (Image.new("RGB", (300, 20)), Image.fromarray(noise), Image.new("L", (16, 400))):
        assert detector.detect(Picture(image, NOWHERE)) == []


def test_a_threshold_that_nothing_passes_finds_nothing():
    picture = Picture(Image.open(ASTRONAUT).convert("RGB"), ASTRONAUT)
    detector = FaceMeshDetector()
    for network, _ in detector.detectors:
        network.threshold = 1.0
    assert detector.detect(picture) == []
    with pytest.raises(ValueError, match=r"confidence 2, passes 2"):
        FaceMeshDetector(confidence=2)


def test_windows_cover_a_photograph_and_overlap_by_half():
    assert windows((900, 600), False) == [(0, 0, 900, 600)]
    whole, *parts = windows((600, 600), True)
    assert whole == (0, 0, 600, 600) and len(parts) == 4 and parts[-1] == (200, 200, 600, 600)
    whole, *parts = windows((1500, 600), True)
    assert {(top, bottom) for _, top, _, bottom in parts} == {(0, 600)}
    assert parts[0][0] == 0 and parts[-1][2] == 1500
    assert all(after[0] - before[0] <= 300 for before, after in itertools.pairwise(parts))
    assert windows((600, 900), True)[-1] == (0, 300, 600, 900)


def test_boxes_of_one_face_become_their_weighted_mean():
    eyes = np.zeros((2, 2))
    pair = [Candidate(np.array([x, 0.0, x + 10, 10]), eyes + x, s) for x, s in ((0, 0.6), (2, 0.9))]
    other = Candidate(np.array([50.0, 0, 60, 10]), eyes, 0.7)
    first, second = weighted_suppression([pair[0], other, pair[1]])
    assert first.score == 0.9 and first.box.tolist() == pytest.approx([1.2, 0, 11.2, 10])
    assert first.eyes[0, 0] == pytest.approx(1.2) and second.box[0] == 50
    assert weighted_suppression([]) == []
    assert overlaps(pair[0].box, np.stack([other.box])).tolist() == [0]
