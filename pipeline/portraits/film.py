"""The pictures of a file: one of a photograph, the frames of an animation or a film."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from .photograph import MAX_PIXELS, MIN_SIDE, is_animated, read_animation, read_photograph

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


def read_pictures(
    path: Path, *, background: float = 1.0, every: int = 1, most: int | None = None
) -> Iterator[tuple[int | None, Image.Image]]:
    """Upright 8-bit RGB pictures with their frame numbers (None for a photograph), one by one.

    Args:
        path: a photograph (see `read_photograph`), an animated PNG, WebP or GIF, or a film (.mp4,
            .mov, .mkv, .webm, .avi).
        background: grey level in [0, 1] behind transparent pixels.
        every: stride of the frames.
        most: maximum number of frames; None: all.

    Raises:
        ValueError: as `read_photograph`; PyAV isn't installed; a film without pictures.
    """
    if path.suffix.lower() in DEMUXERS and path.is_file():
        frames = _film(path)
    elif path.is_file() and is_animated(path):
        frames = read_animation(path, background=background)
    else:
        yield None, read_photograph(path, background=background)
        return
    stop = None if most is None else every * most
    yield from itertools.islice(enumerate(frames), 0, stop, every)


def _film(path: Path) -> Iterator[Image.Image]:
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
            for frame in container.decode(video=0):
                yield _upright(frame)
                count += 1
    except av.FFmpegError as error:
        raise ValueError(
            f"damaged film, or not one of its suffix's kind ({error.strerror}), after {count}"
            " frames"
        ) from error
    if count == 0:
        raise ValueError("a film without a single frame: export it again")


def _upright(frame: Any) -> Image.Image:
    """A decoded frame, rotated by the film's display matrix."""
    if frame.width * frame.height > MAX_PIXELS or min(frame.width, frame.height) < MIN_SIDE:
        raise ValueError(
            f"a film of {frame.width}x{frame.height} pixels: {MIN_SIDE} a side to"
            f" {MAX_PIXELS // 10**6} megapixels are read"
        )
    image: Image.Image = frame.to_image().convert("RGB")
    quarters = round(frame.rotation / 90) % 4
    turns = (
        None,
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_180,
        Image.Transpose.ROTATE_270,
    )
    turn = turns[quarters]
    return image if turn is None else image.transpose(turn)
