"""Films for tests: pictures at given times, with a sound, by PyAV."""

import json
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TICKS = 90_000
RATE = 48_000
BEEP = 0.3
"""Seconds between the beginnings of two beeps."""


def write_film(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    ticks: Sequence[int] | None = None,
    sound: str | None = "aac",
    rate: int = RATE,
    matrix: Sequence[int] | None = None,
) -> Path:
    """A film of RGB frames, 25 a second unless `ticks` (1/90000 s) says otherwise.

    Args:
        sound: the kind of a mono track that beeps; None: silent.
        rate: of the sound, Hz.
        matrix: the nine numbers of the track header of an MP4 or MOV.
    """
    av = pytest.importorskip("av")
    times = [row * TICKS // 25 for row in range(len(frames))] if ticks is None else list(ticks)
    with av.open(str(path), "w") as container:
        shown = container.add_stream("libx264", rate=25, options={"crf": "10"})
        shown.height, shown.width = frames[0].shape[:2]
        shown.pix_fmt, shown.codec_context.time_base = "yuv420p", Fraction(1, TICKS)
        heard = None if sound is None else container.add_stream(sound, rate=rate, layout="mono")
        for frame, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, TICKS)
            container.mux(shown.encode(picture))
        container.mux(shown.encode())
        if heard is not None:
            write_beeps(av, container, heard, times[-1] / TICKS + 0.04)
    if matrix is not None:
        content = bytearray(path.read_bytes())
        at = content.index(b"tkhd") + 4 + 40
        content[at : at + 36] = struct.pack(">9i", *matrix)
        path.write_bytes(content)
    return path


def write_beeps(av: Any, container: Any, stream: Any, seconds: float) -> None:
    rate = stream.codec_context.sample_rate
    times = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 440 * times) * (times % BEEP < 0.05)
    kind = "s16" if stream.codec_context.name.startswith("pcm") else "fltp"
    values = (wave * 32767).astype(np.int16) if kind == "s16" else wave.astype(np.float32)
    for start in range(0, len(values), 1024):
        part = values[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(part, format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def shown_times(path: Path) -> list[int]:
    """When the frames of a film are shown, in ticks."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [round(frame.pts * frame.time_base * TICKS) for frame in container.decode(video=0)]


def shown_frames(path: Path) -> np.ndarray:
    """[frame height width 3], 8-bit RGB."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def heard_samples(path: Path) -> np.ndarray:
    """The first track of sound as a player plays it, in [-1, 1]."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    samples = np.concatenate(parts)
    return samples / 32767 if samples.dtype == np.int16 else samples


def with_landmarks(path: Path, places: Sequence[tuple[float, float] | None], side: float) -> Path:
    """Writes five landmarks of a frontal face about each place beside a film; None: no face."""
    face = np.array([[-0.18, -0.16], [0.18, -0.16], [0.0, 0.05], [-0.14, 0.22], [0.14, 0.22]])
    frames = [None if place is None else (face * side + place).tolist() for place in places]
    path.with_suffix(".json").write_text(json.dumps({"frames": frames}))
    return path
