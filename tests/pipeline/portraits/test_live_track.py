"""The face of a stream: one square a frame, from the past only."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.portraits.face import Picture
from pipeline.portraits.framing import FaceCrops
from pipeline.portraits.live_track import FORGET_SECONDS, LiveFace

from .scripted import Following, Scripted

IMAGE = Image.new("RGB", (160, 64))


def squares(live: LiveFace, frames: int, *, rate: float = 25.0):
    """For each frame: x of the middle and side, or None before a face was seen."""
    for row in range(frames):
        framed = live.frame(Picture(IMAGE, Path("f"), row), row / rate)
        middle = framed.crop.from_square(np.array([[0.5, 0.5]]))[0, 0]
        yield (middle, framed.crop.size) if framed.face_found else None


def test_a_resting_face_jitters_less_and_a_moving_one_is_followed():
    resting = Scripted([[(60.0, 30.0)]] * 40, noise=1.0)
    raw = np.array(
        [
            np.mean(resting.detect(Picture(IMAGE, Path("f"), n))[0].landmarks[:, 0])
            for n in range(40)
        ]
    )
    seen = np.array([x for x, _ in squares(LiveFace(FaceCrops(resting)), 40)])
    assert np.abs(np.diff(seen[10:])).mean() < 0.6 * np.abs(np.diff(raw[10:])).mean()
    moving = Scripted([[(40.0 + 2 * n, 30.0)] for n in range(40)])
    x = np.array([x for x, _ in squares(LiveFace(FaceCrops(moving)), 40)])
    # 50 pixels a second, half the square's side: it lags, but by a fixed distance
    assert np.diff(x[20:]).mean() == pytest.approx(2.0, rel=0.05)


def test_the_larger_face_stays_the_wanted_one_when_another_comes_and_it_is_searched_seldom():
    frames = [[(120.0, 30.0)]] * 5 + [[(40.0, 30.0), (120.0, 30.0)]] * 45
    detector = Following(frames)
    seen = [x for x, _ in squares(LiveFace(FaceCrops(detector, "nearest_centre")), 50)]
    assert np.ptp(seen) < 1
    assert detector.searches == [0]


def test_a_lost_face_leaves_its_square_and_gives_way_after_a_second():
    frames = [[(40.0, 30.0)]] * 5 + [[(120.0, 30.0)]] * 45
    seen = [x for x, _ in squares(LiveFace(FaceCrops(Scripted(frames))), 50)]
    assert np.ptp(seen[:29]) < 1
    assert seen[-1] == pytest.approx(seen[0] + 80, abs=1)  # a jump isn't smoothed


def test_before_a_face_was_seen_there_is_the_middle():
    live = LiveFace(FaceCrops(Scripted([[], [(60.0, 30.0)]])))
    assert next(squares(live, 2)) is None


def test_faces_that_are_gone_for_long_are_forgotten():
    """A stream of days holds no list of everybody who walked past."""
    live = LiveFace(FaceCrops(Scripted([[(40.0, 30.0)]] + [[]] * 3)))
    list(squares(live, 4, rate=1 / FORGET_SECONDS))
    assert live.tracker.tracks == []
