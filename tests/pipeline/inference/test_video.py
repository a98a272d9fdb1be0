"""A film holds the frames it was given, in their order, or there is no file."""

import numpy as np
import pytest
from PIL import Image

from pipeline.inference import video
from pipeline.inference.video import write_video

LEVELS = (30, 90, 150, 210)


def frames():
    return (np.full((64, 64, 3), level, np.uint8) for level in LEVELS)


def test_an_mp4_shows_the_frames_in_order(tmp_path):
    av = pytest.importorskip("av")
    path = write_video(tmp_path / "film", frames(), frames_per_second=12)
    assert path == tmp_path / "film.mp4"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 12)
    assert shown == pytest.approx(LEVELS, abs=4)


@pytest.mark.parametrize("has_h264", [True, False])
@pytest.mark.parametrize("rate", [29.97, 0.1, 1000])
def test_every_rate_that_lift_takes_makes_a_film(tmp_path, monkeypatch, rate, has_h264):
    if has_h264:
        av = pytest.importorskip("av")
    monkeypatch.setattr(video, "has_h264", lambda: has_h264)
    path = write_video(tmp_path / "film", frames(), frames_per_second=rate)
    if has_h264:
        with av.open(str(path)) as container:
            assert float(container.streams.video[0].average_rate) == pytest.approx(rate, rel=1e-4)


def test_without_the_video_extra_it_is_a_gif(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "has_h264", lambda: False)
    path = write_video(tmp_path / "film", frames(), frames_per_second=10)
    assert path == tmp_path / "film.gif"
    with Image.open(path) as film:
        assert (film.n_frames, film.info["duration"], film.info["loop"]) == (4, 100, 0)
        for index, level in enumerate(LEVELS):
            film.seek(index)
            assert film.convert("RGB").getpixel((5, 5)) == pytest.approx((level,) * 3, abs=2)


@pytest.mark.parametrize("has_h264", [True, False])
def test_a_film_that_fails_leaves_nothing_behind_and_the_old_one_alone(
    tmp_path, monkeypatch, has_h264
):
    if has_h264:
        pytest.importorskip("av")
    monkeypatch.setattr(video, "has_h264", lambda: has_h264)
    old = tmp_path / ("film.mp4" if has_h264 else "film.gif")
    old.write_bytes(b"old")

    def broken():
        yield np.zeros((64, 64, 3), np.uint8)
        raise RuntimeError("the renderer stopped")

    with pytest.raises(RuntimeError, match="the renderer stopped"):
        write_video(tmp_path / "film", broken())
    with pytest.raises(ValueError, match="no frames"):
        write_video(tmp_path / "film", iter(()))
    assert [path.name for path in tmp_path.iterdir()] == [old.name] and old.read_bytes() == b"old"
