"""Films: H.264 through PyAV, or an animated GIF through Pillow where PyAV isn't installed."""

import importlib.util
import logging
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pipeline.runs.files import replaced_file

Frame = UInt8[np.ndarray, "height width 3"]

log = logging.getLogger(__name__)


def write_video(
    path: Path, frames: Iterable[Frame], *, frames_per_second: int | float = 24
) -> Path:
    """Writes a film that loops well; it appears whole or not at all.

    Args:
        path: where to, without a suffix that matters: the film ends in .mp4, or in .gif without the
            video extra.
        frames: 8-bit RGB pictures of one size with even sides, taken one by one.
        frames_per_second: how fast.

    Returns:
        The path of the film.

    Raises:
        ValueError: no frames.
    """
    encode, suffix = (_encode_mp4, ".mp4") if has_h264() else (_encode_gif, ".gif")
    film = path.with_suffix(suffix)
    with replaced_file(film) as temporary:
        if encode(temporary, frames, frames_per_second) == 0:
            raise ValueError(f"no frames for {film}: give at least one")
    return film


def has_h264() -> bool:
    """Whether PyAV is installed and can write H.264."""
    if importlib.util.find_spec("av") is None:
        return False
    import av

    return "libx264" in av.codecs_available


def _encode_mp4(path: Path, frames: Iterable[Frame], frames_per_second: int | float) -> int:
    import av

    count = 0
    stream: Any = None
    # the exact value of a float such as 29.97 is a fraction too long for FFmpeg
    rate = Fraction(frames_per_second).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
                )
            )
            count += 1
        if stream is not None:
            container.mux(stream.encode())
    return count


def _encode_gif(path: Path, frames: Iterable[Frame], frames_per_second: int | float) -> int:
    pictures: Sequence[Image.Image] = [
        Image.fromarray(frame).quantize(dither=Image.Dither.NONE) for frame in frames
    ]
    if pictures:
        log.info("no H.264 encoder here (pip install 'trilift[video]'): writing a GIF")
        duration = round(1000 / frames_per_second)
        pictures[0].save(
            path, format="GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
        )
    return len(pictures)
