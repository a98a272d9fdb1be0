"""Faces in films: each keeps its number, and its square follows it without jitter."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.portraits.face import Picture
from pipeline.portraits.film_track import track_film
from pipeline.portraits.framing import FaceCrops
from pipeline.portraits.front_door import PortraitSettings, read_portraits
from pipeline.portraits.one_euro import OneEuro, smoothed
from pipeline.portraits.tracking import FaceTracker
from tests.films import write_film

from .scripted import Following, Scripted


def grey_film(path: Path, count: int) -> Path:
    return write_film(path, [np.full((64, 160, 3), 120, np.uint8)] * count, sound=None)


def numbers(tracker: FaceTracker, frames: int) -> list[dict[int, int]]:
    """For each frame, at 25 a second: number of a track → x of its face."""
    image = Image.new("RGB", (160, 64))
    return [
        {
            name: round(face.centre[0])
            for name, face in tracker.update(Picture(image, Path("f"), row), row / 25).items()
        }
        for row in range(frames)
    ]


def test_a_filter_of_a_resting_signal_is_a_first_order_low_pass():
    """After t, a filter of cutoff f shows 1 - exp(-2πft) of a step's height (short frames)."""
    kind = OneEuro(cutoff_hz=1.0, beta=0.0)
    kind(np.zeros(1), 0.0)
    values = [kind(np.ones(1), step / 1000)[0] for step in range(1, 301)]
    assert values[-1] == pytest.approx(1 - np.exp(-2 * np.pi * 0.3), abs=0.005)


def test_a_moving_signal_lags_less_with_beta_and_not_at_all_in_both_directions():
    seconds = np.arange(50) / 25
    signal = np.stack([seconds, 2 * seconds], 1)
    lags = []
    for beta in (0.0, 5.0):
        kind = OneEuro(cutoff_hz=1.0, beta=beta)
        pairs = zip(signal, seconds, strict=True)
        lags.append(signal[-1] - [kind(row, time) for row, time in pairs][-1])
    assert (lags[1] < lags[0] / 3).all() and lags[0][0] == pytest.approx(1 / (2 * np.pi), rel=0.2)
    both = smoothed(signal, seconds, OneEuro(cutoff_hz=1.0, beta=0.0))
    assert both[25] == pytest.approx(signal[25], abs=0.01)


@pytest.mark.parametrize("kind", [Scripted, Following])
def test_a_face_that_is_lost_for_ten_frames_and_comes_back_elsewhere_keeps_its_number(kind):
    frames = [[(40.0 + row, 30.0)] for row in range(10)] + [[]] * 10 + [[(75.0, 34.0)]] * 5
    found = numbers(FaceTracker(kind(frames)), 25)
    assert [sorted(one) for one in found] == [[0]] * 10 + [[]] * 10 + [[0]] * 5


def test_two_faces_keep_their_numbers_though_a_detector_lists_them_in_any_order():
    frames = [[(40.0 + row, 30.0), (120.0, 30.0)][:: 1 if row % 2 else -1] for row in range(12)]
    found = numbers(FaceTracker(Scripted(frames)), 12)
    of_right = next(name for name, x in found[0].items() if x > 100)
    assert all(abs(one[of_right] - 120) < 2 and len(one) == 2 for one in found)


def test_a_detector_that_follows_searches_only_at_first_when_lost_and_once_a_second():
    frames = [[(40.0, 30.0)]] * 60
    frames[30:33] = [[]] * 3
    detector = Following(frames)
    numbers(FaceTracker(detector), 60)
    assert detector.searches == [0, 25, 30, 31, 32, 57]


def test_the_tracked_square_has_a_fraction_of_the_jitter_and_no_lag(tmp_path):
    rows = np.arange(30)
    true = 60 + 12 * np.sin(rows / 8)
    detector = Scripted([[(x, 32.0)] for x in true], noise=0.4)
    film = grey_film(tmp_path / "a.mp4", 30)
    raw, tracked = (
        track_film(film, FaceCrops(detector), is_smooth=smooth).faces[0].squares[:, 0]
        for smooth in (False, True)
    )
    error = [values - true - np.mean(values - true) for values in (raw, tracked)]
    jitter = [np.abs(np.diff(values)).mean() for values in error]
    assert jitter[1] < 0.5 * jitter[0]
    assert np.std(error[1][5:-5]) < np.std(error[0][5:-5])


@pytest.mark.parametrize(("faces", "x"), [("largest", [30]), ("all", [30, 110]), (2, [110])])
def test_which_of_several_faces_is_decided_once_for_the_whole_film(tmp_path, faces, x):
    """The left face is in sight for longer; now and then the detector lists the other first."""
    frames = [[(30.0, 30.0), (110.0, 30.0)][:: 1 if row % 3 else -1] for row in range(12)]
    frames[7:] = [[(30.0, 30.0)]] * 5
    track = track_film(grey_film(tmp_path / "a.mp4", 12), FaceCrops(Scripted(frames), faces))
    assert [float(np.median(face.squares[:, 0])) for face in track.faces] == pytest.approx(x, abs=3)
    assert track.faces[-1].is_seen[9] == (faces == "largest")


def test_a_number_that_no_face_has_is_an_error(tmp_path):
    crops = FaceCrops(Scripted([[(30.0, 30.0)]] * 4), 3)
    with pytest.raises(ValueError, match="1 faces, and number 3"):
        track_film(grey_film(tmp_path / "a.mp4", 4), crops)


def test_portraits_of_a_tracked_film_are_named_as_frames_and_lie_where_the_track_says(tmp_path):
    frames = [[(40.0, 30.0), (120.0, 30.0)]] * 6
    frames[3] = [(40.0, 30.0)]
    settings = PortraitSettings(framing=FaceCrops(Scripted(frames), "all"), every=3, track=True)
    found = list(read_portraits(grey_film(tmp_path / "a.mp4", 6), settings, resolution=16))
    names = ["a+frame00000", "a+frame00000+face2", "a+frame00003", "a+frame00003+face2"]
    assert [one.name for one in found] == names
    assert [one.face_found for one in found] == [True, True, True, False]
    assert found[3].crop.left == pytest.approx(found[1].crop.left) and found[3].image is not None
    assert found[0].camera is not None and found[0].source_sha256 is not None
