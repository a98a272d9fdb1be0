"""Where faces come from: the cascade, and files beside the pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline.evaluation
from pipeline.portraits.cached_landmarks import CachedLandmarks
from pipeline.portraits.cascade import CascadeDetector, overlap
from pipeline.portraits.face import EYES_NOSE_MOUTH, DetectedFace, LandmarkDetector, Picture

ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"
GREY = Image.new("RGB", (100, 80), "grey")
FIVE = [[40, 30], [60, 30], [50, 42], [42, 52], [58, 52]]


def test_the_cascade_finds_the_astronaut_s_face_and_none_in_a_plain_picture():
    pytest.importorskip("skimage")
    detector = CascadeDetector()
    assert isinstance(detector, LandmarkDetector)
    (face,) = detector.detect(Picture(Image.open(ASTRONAUT).convert("RGB"), ASTRONAUT))
    eyes_and_mouth = [(102, 94), (147, 98), (124, 132)]
    assert face.landmarks is None and 80 < face.width < 110
    assert all(
        face.left < x < face.left + face.width and face.top < y < face.top + face.height
        for x, y in eyes_and_mouth
    )
    assert detector.detect(Picture(GREY, ASTRONAUT)) == []
    assert detector.detect(Picture(Image.new("RGB", (300, 20)), ASTRONAUT)) == []


@pytest.mark.parametrize("name", ["anna.json", "anna.jpg.json", "anna.npz", "anna.jpg.npz"])
def test_landmarks_beside_a_picture_are_found(tmp_path, name):
    if name.endswith("json"):
        (tmp_path / name).write_text(json.dumps({"landmarks": FIVE}))
    else:
        np.savez(tmp_path / name, landmarks=np.array(FIVE, np.float32))
    (face,) = CachedLandmarks().detect(Picture(GREY, tmp_path / "anna.jpg"))
    assert face.five_points().tolist() == FIVE and (
        face.left,
        face.top,
        face.width,
        face.height,
    ) == (40, 30, 20, 22)


def test_landmarks_may_lie_elsewhere_be_of_another_size_and_of_several_faces(tmp_path):
    (tmp_path / "b.json").write_text(
        json.dumps({"landmarks": [FIVE, (np.array(FIVE) + 20).tolist()], "size": [200, 160]})
    )
    one, two = CachedLandmarks(str(tmp_path)).detect(Picture(GREY, Path("elsewhere/b.png")))
    np.testing.assert_allclose(one.five_points(), np.array(FIVE) / 2)
    np.testing.assert_allclose(two.five_points(), np.array(FIVE) / 2 + 10)


def test_a_film_has_landmarks_for_each_frame_and_none_where_there_is_no_face(tmp_path):
    (tmp_path / "clip.json").write_text(json.dumps({"frames": [FIVE, None]}))
    detector = CachedLandmarks()
    assert len(detector.detect(Picture(GREY, tmp_path / "clip.mp4", 0))) == 1
    assert detector.detect(Picture(GREY, tmp_path / "clip.mp4", 1)) == []
    with pytest.raises(ValueError, match="2 frames, but the film goes on"):
        detector.detect(Picture(GREY, tmp_path / "clip.mp4", 2))


@pytest.mark.parametrize("place", [(0.0, 0.0), (137.3, 0.1)])
@pytest.mark.parametrize("count", [5, 478])
def test_landmarks_that_all_lie_in_one_place_are_no_face(tmp_path, place, count):
    """Many trackers write zeros where they lost a face."""
    np.savez(tmp_path / "clip.npz", frames=np.full((2, count, 2), place))
    assert CachedLandmarks().detect(Picture(GREY, tmp_path / "clip.mp4", 1)) == []
    point = [list(place)] * 5
    (tmp_path / "a.json").write_text(json.dumps({"landmarks": [point, FIVE]}))
    (face,) = CachedLandmarks().detect(Picture(GREY, tmp_path / "a.png"))
    assert face.five_points().tolist() == FIVE


def test_boxes_overlap_by_their_shared_area():
    box = DetectedFace(0, 0, 4, 2)
    assert overlap(box, DetectedFace(2, 0, 4, 2)) == pytest.approx(1 / 3)
    assert overlap(box, DetectedFace(9, 9, 4, 2)) == 0
    assert overlap(DetectedFace(1, 1, 0, 0), DetectedFace(1, 1, 0, 3)) == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "isn't JSON"),
        ("[1]", r"holds \[1\]: expected keys with values"),
        ("{}", "no landmarks"),
        ('{"landmarks": [[1, 2]]}', "5, 68 or 478"),
        ('{"landmarks": "1e3"}', "landmarks is '1e3': expected a list"),
        ('{"landmarks": 0.5}', "landmarks is 0.5: expected a list"),
        ('{"landmarks": [[1, 2], [1, "x"]]}', r"landmarks\[1\]\[1\] is 'x': expected a number"),
        ('{"landmarks": [[1, 2], []]}', r"landmarks\[1\] is \[\]: expected 2 numbers"),
        (f'{{"landmarks": [{[[1, 2]] * 5}, 7]}}', r"landmarks\[1\] is 7: expected a list"),
        ('{"landmarks": [[1,2],[1,2],[1,2],[1,2],[1,2]], "size": [0, 3]}', r"size is \[0, 3\]"),
        ('{"landmarks": [[1,2],[1,2],[1,2],[1,2],[1,2]], "size": [64, ""]}', r"size\[1\] is ''"),
        ('{"landmarks": [[1,2],[1,2],[1,2],[1,2],[1,2]], "size": [null, 3]}', r"\[0\] is None"),
    ],
)
def test_a_file_of_landmarks_that_is_wrong_is_refused(tmp_path, content, sentence):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        CachedLandmarks().detect(Picture(GREY, tmp_path / "a.png"))


def test_missing_landmarks_are_an_error_but_an_empty_list_means_no_face(tmp_path):
    with pytest.raises(ValueError, match=r"neither a.json nor a.npz"):
        CachedLandmarks().detect(Picture(GREY, tmp_path / "a.png"))
    (tmp_path / "a.json").write_text('{"landmarks": []}')
    assert CachedLandmarks().detect(Picture(GREY, tmp_path / "a.png")) == []


@pytest.mark.parametrize("count", EYES_NOSE_MOUTH)
def test_the_five_points_are_taken_from_any_number_of_landmarks(count):
    landmarks = np.zeros((count, 2))
    for rows, point in zip(EYES_NOSE_MOUTH[count], FIVE, strict=True):
        landmarks[list(rows)] = point
    assert DetectedFace.around(landmarks).five_points().tolist() == FIVE


def test_other_numbers_of_landmarks_are_refused():
    with pytest.raises(ValueError, match="7 landmarks came"):
        DetectedFace.around(np.ones((7, 2))).five_points()
    with pytest.raises(ValueError, match="0 landmarks came"):
        DetectedFace(0, 0, 1, 1).five_points()
