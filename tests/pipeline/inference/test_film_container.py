"""The sound of a film that was lifted: copied where MP4 has a place for it, resampled, left out."""

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.inference import film_container
from pipeline.inference.film_container import join_pieces, write_piece
from pipeline.portraits.film import read_film
from tests.films import BEEP, heard_samples, write_film

FRAMES = [np.full((32, 32, 3), 12 * row, np.uint8) for row in range(20)]


def joined(source: Path) -> tuple[Path, tuple[str, ...]]:
    """The film with other pictures and the sound of `source`, and the remarks."""
    ticks = [frame.ticks for frame in read_film(source)]
    piece, made = source.with_name("piece.mp4"), source.with_name("made.mp4")
    write_piece(piece, [np.zeros((32, 32, 3), np.uint8)] * len(ticks), ticks)
    return made, join_pieces(made, [piece], ticks, ticks[-1] + 3600, source)


def kind_and_rate(path: Path) -> tuple[str, int]:
    with av.open(str(path)) as container:
        context = container.streams.audio[0].codec_context
        return context.codec.canonical_name, context.sample_rate


def beginnings(path: Path) -> np.ndarray:
    """When the beeps begin, seconds."""
    loud = np.flatnonzero(np.abs(heard_samples(path)) > 0.05) / kind_and_rate(path)[1]
    return loud[np.diff(loud, prepend=-1) > 0.1]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_mp3_is_copied(tmp_path, suffix):
    source = write_film(tmp_path / f"a{suffix}", FRAMES, sound="libmp3lame")
    made, notes = joined(source)
    assert notes == () and kind_and_rate(made) == ("mp3", 48_000)
    assert np.abs(np.diff(beginnings(made)) - BEEP).max() < 0.002


@pytest.mark.parametrize(("rate", "made_rate"), [(192_000, 96_000), (37_800, 44_100)])
def test_sound_of_a_rate_that_aac_has_not_is_resampled(tmp_path, rate, made_rate):
    made, notes = joined(write_film(tmp_path / "a.mkv", FRAMES, sound="pcm_s16le", rate=rate))
    assert len(notes) == 1 and "it is AAC now" in notes[0]
    assert kind_and_rate(made) == ("aac", made_rate)
    assert beginnings(made) == pytest.approx([0, 0.3, 0.6], abs=0.002)


def test_sound_of_a_file_with_coarse_times_is_encoded_in_order(tmp_path, monkeypatch):
    """An AVI counts whole packets, 1152 samples; AAC's frames have 1024."""
    monkeypatch.setattr(film_container, "COPIED", ())
    made, notes = joined(write_film(tmp_path / "a.avi", FRAMES, sound="libmp3lame"))
    assert len(notes) == 1 and "(mp3)" in notes[0]
    with av.open(str(made)) as container:
        times = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert (np.diff(times) == 1024).all()
    assert np.abs(np.diff(beginnings(made)) - BEEP).max() < 0.002


def test_a_track_that_can_t_be_decoded_is_left_out(tmp_path):
    source = write_film(tmp_path / "a.mov", FRAMES, sound="pcm_s16le")
    source.write_bytes(source.read_bytes().replace(b"sowt", b"zzzz"))
    made, notes = joined(source)
    assert notes == ("1 of 1 tracks of sound left out: FFmpeg can't decode their kind",)
    with av.open(str(made)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_pictures_that_can_t_be_decoded_are_an_error(tmp_path):
    source = write_film(tmp_path / "a.mp4", FRAMES, sound=None)
    source.write_bytes(source.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(ValueError, match="FFmpeg can't decode"):
        next(read_film(source))
