"""A film of what was shown: every frame, as long as it was seen, however many there are."""

import numpy as np
import pytest

from pipeline.streaming import shown_film
from pipeline.streaming.shown_film import WAITING, ShownFilm

av = pytest.importorskip("av")


def grey(level: int, side: int = 16) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def levels(path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(stream)
        ]


def test_a_frame_stays_until_the_next_one_and_none_is_left_out(tmp_path):
    film = ShownFilm(tmp_path / "seen", 10.0)
    for level, seconds in ((40, 7.0), (90, 7.3), (140, 7.31), (190, 7.6)):
        film.show(grey(level), seconds=seconds)
    path = film.close()
    assert path == tmp_path / "seen.mp4" and film.count == 4
    assert levels(path) == pytest.approx([40, 40, 40, 90, 140, 140, 190], abs=4)


def test_a_film_has_no_end(tmp_path):
    film = ShownFilm(tmp_path / "seen", 30.0)
    for number in range(3100):
        film.show(grey(number % 200 + 20), seconds=number / 30)
    assert len(levels(film.close())) == film.count == 3100


def test_a_film_that_cannot_be_written_is_an_error_and_holds_nobody_up(tmp_path, monkeypatch):
    def full(path, frames, **given):
        next(frames)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shown_film, "write_video", full)
    film = ShownFilm(tmp_path / "seen", 30.0)
    with pytest.raises(OSError, match="No space left"):
        for _ in range(2 * WAITING + 2):
            film.show(grey(9))
    with pytest.raises(OSError, match="No space left"):
        film.close()


def test_without_a_frame_there_is_no_film(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        ShownFilm(tmp_path / "seen", 30.0).close()
    assert not list(tmp_path.iterdir())
