"""The pictures of a file: one of a photograph, the frames of an animation or a film."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .coded_colour import CodedColour, rgb_signal, to_srgb
from .colour import NOTE
from .photograph import MAX_PIXELS, MIN_SIDE, is_animated, read_animation, read_photograph
from .pixels import over

DEMUXERS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "matroska",
    ".avi": "avi",
}
"""FFmpeg's demuxer for each suffix. It is prescribed, since FFmpeg's own choice would follow play
lists to other files and hosts.
"""

TICKS = 90_000
"""Ticks a second of a frame's time: fine enough for every usual rate."""


def read_pictures(
    path: Path, *, background: float = 1.0, every: int = 1, most: int | None = None
) -> Iterator[tuple[int | None, Image.Image]]:
    """Upright 8-bit sRGB pictures with their frame numbers (None for a photograph), one by one.

    A picture that was converted from a high dynamic range says so in its `info`, under `NOTE`.

    Args:
        path: a photograph (see `read_photograph`), an animated PNG, WebP or GIF, or a film (.mp4,
            .mov, .mkv, .webm, .avi).
        background: grey level in [0, 1] behind transparent pixels.
        every: stride of the frames.
        most: maximum number of frames; None: all.

    Raises:
        ValueError: as `read_photograph`; PyAV isn't installed; a film without pictures.
    """
    frames: Iterator[Image.Image]
    if is_film(path):
        frames = (frame.image for frame in read_film(path, background=background))
    elif path.is_file() and is_animated(path):
        frames = read_animation(path, background=background)
    else:
        yield None, read_photograph(path, background=background)
        return
    stop = None if most is None else every * most
    yield from itertools.islice(enumerate(frames), 0, stop, every)


def is_film(path: Path) -> bool:
    """Whether it is a file that `read_film` reads, by its suffix."""
    return path.suffix.lower() in DEMUXERS and path.is_file()


@dataclass(frozen=True)
class FilmFrame:
    """One frame as a player shows it.

    Attributes:
        ticks: when it is shown, in `TICKS` of a second on the file's own clock; later than the
            frame before.
        duration: as the file says, ticks; 0: it doesn't.
        image: upright 8-bit sRGB with square pixels.
    """

    ticks: int
    duration: int
    image: Image.Image


def read_film(
    path: Path, *, background: float = 1.0, start: int | None = None
) -> Iterator[FilmFrame]:
    """The frames of a film one by one, with their times, whatever its frame rate does.

    Args:
        path: the film.
        background: grey level in [0, 1] behind transparent pixels.
        start: ticks of the first frame that is wanted: the film is searched for it, and decoded
            from its beginning only if that finds something else.

    Raises:
        ValueError: PyAV isn't installed; an empty or damaged file, or one without pictures or with
            such that FFmpeg can't decode.
    """
    try:
        import av
    except ImportError as error:
        raise ValueError("films need PyAV: pip install 'trilift[video]'") from error
    if path.stat().st_size == 0:
        raise ValueError("an empty file (0 bytes): copy the film again")
    count = 0
    try:
        with av.open(str(path), format=DEMUXERS[path.suffix.lower()]) as container:
            if not container.streams.video:
                raise ValueError("a film without pictures: give one with a video stream")
            if container.streams.video[0].codec_context is None:
                raise ValueError(
                    "a damaged film, or one of a kind that FFmpeg can't decode: export it again,"
                    " as H.264"
                )
            for frame in _from(container, start, background):
                yield frame
                count += 1
    except av.FFmpegError as error:
        raise ValueError(
            f"damaged film, or not one of its suffix's kind ({error.strerror}), after {count}"
            " frames"
        ) from error
    if count == 0:
        raise ValueError("a film without a single frame: export it again")


def _from(container: Any, start: int | None, background: float) -> Iterator[FilmFrame]:
    """The frames from `start` on; from the beginning where seeking doesn't lead there."""
    if start is None:
        yield from _decoded(container, None, background)
        return
    stream = container.streams.video[0]
    container.seek(int(Fraction(start, TICKS) / stream.time_base), stream=stream)
    frames = _decoded(container, start, background)
    first = next(frames, None)
    if first is None or first.ticks != start:
        container.seek(stream.start_time or 0, stream=stream)
        frames = _decoded(container, start, background)
        first = next(frames, None)
    if first is not None:
        yield first
        yield from frames


def _decoded(container: Any, start: int | None, background: float) -> Iterator[FilmFrame]:
    stream = container.streams.video[0]
    shape = float(stream.codec_context.sample_aspect_ratio or 1) or 1.0
    usual = round(TICKS / (stream.average_rate or 25))
    before: int | None = None
    for frame in container.decode(stream):
        # An AVI may come without times.
        untimed = 0 if before is None else before + usual
        ticks = untimed if frame.pts is None else round(frame.pts * frame.time_base * TICKS)
        before = ticks if before is None else max(ticks, before + 1)
        if start is None or before >= start:
            length = round((frame.duration or 0) * (frame.time_base or 0) * TICKS)
            yield FilmFrame(before, length, _shown(frame, shape, background))


def _shown(frame: Any, pixel_shape: float, background: float) -> Image.Image:
    """A decoded frame as a player shows it: with square pixels, moved by the film's display matrix,
    transparency over a grey level in [0, 1].
    """
    if frame.width * frame.height > MAX_PIXELS or min(frame.width, frame.height) < MIN_SIDE:
        raise ValueError(
            f"a film of {frame.width}x{frame.height} pixels: {MIN_SIDE} a side to"
            f" {MAX_PIXELS // 10**6} megapixels are read"
        )
    image, note = _in_srgb(frame)
    if any(component.is_alpha for component in frame.format.components):
        image.putalpha(Image.fromarray(frame.to_ndarray(format="rgba")[..., 3]))
    image = over(image, background)
    if pixel_shape != 1:
        wide = (round(image.width * max(pixel_shape, 1)), round(image.height / min(pixel_shape, 1)))
        if wide[0] * wide[1] > MAX_PIXELS:
            raise ValueError(f"a film of {wide[0]}x{wide[1]} square pixels: make it smaller first")
        image = image.resize(wide, Image.Resampling.BICUBIC)
    image = _moved(image, frame)
    if note:
        image.info[NOTE] = note
    return image


def _in_srgb(frame: Any) -> tuple[Image.Image, str]:
    """The colours of a frame, and a note if they were converted; 10 bits stay 10 until then."""
    colour = CodedColour(int(frame.color_primaries), int(frame.color_trc))
    if colour.is_srgb:
        return frame.to_image().convert("RGB"), ""
    if frame.format.is_rgb:
        signal = frame.to_ndarray(format="rgb48le").astype(np.float32) / 65535
    else:
        # swscale's own RGB of 16 bits has its white at 65280
        bits = frame.format.components[0].bits
        signal = rgb_signal(
            frame.to_ndarray(format="yuv444p16le") >> (16 - bits),
            bits=bits,
            matrix=int(frame.colorspace),
            is_full_range=int(frame.color_range) == 2,
        )
    return Image.fromarray(to_srgb(signal, colour)), colour.note


def _moved(image: Image.Image, frame: Any) -> Image.Image:
    """Turned and mirrored by the display matrix: x' = a x + c y, y' = b x + d y (rows a b, c d)."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), dtype="<i4").tolist()
    pixels = np.asarray(image)
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return Image.fromarray(
        np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
    )
