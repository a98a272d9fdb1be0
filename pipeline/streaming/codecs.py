"""Pictures of levels → packets of an ordinary video codec, and back.

What is easily wrong (each was measured; docs/streaming.md):

* full range must be said of the stream *and* of every frame, or levels are squeezed silently;
* grey H.264 decodes as yuv420p10: plane 0 is read by its line size, never through a conversion;
* decoders hold frames back unless they run on one thread (H.264) or without delay (dav1d);
* SVT-AV1 takes no grey: its chroma is a constant 512.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt16

from .tiling import Grid

Levels = UInt16[np.ndarray, "height width"]
FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""

INTRA = 1
"""AV_PICTURE_TYPE_I."""

IDR, SPS = 5, 7
"""Types of H.264's units: a slice that needs no other picture; the parameters of a sequence."""

CODECS = ("h264", "av1", "ffv1")


@dataclass(frozen=True, kw_only=True)
class CodecSettings:
    """How pictures are coded.

    Attributes:
        codec: h264 (x264, 10-bit grey), av1 (SVT-AV1 with rtc=1), or ffv1 (without loss, for
            recordings).
        quality: constant rate factor; smaller is better; 0 to 51
            (h264), 63 (av1).
        kilobits_per_second: most of a stream (h264 only); quality gives way.
        frames_per_second: of the source.
        refresh_seconds: within which every texel is coded anew (h264: by a column of intra blocks
            that wanders, so that no key frame bursts; av1: by key frames).
        buffer_seconds: how much of the rate one frame may take at once.
        preset: of the encoder; None: veryfast (h264), 10 (av1).
        threads: of the encoder.
    """

    codec: Literal["h264", "av1", "ffv1"] = "h264"
    quality: int | float = 12
    kilobits_per_second: int = 5000
    frames_per_second: int | float = 30
    refresh_seconds: int | float = 4
    buffer_seconds: int | float = 0.5
    preset: str | int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ValueError(f"codec is {self.codec!r}: use {', '.join(CODECS)}")
        if not 0 <= self.quality <= 63:
            raise ValueError(f"quality is {self.quality}: give 0 (best) to 51 (h264), 63 (av1)")
        if not 50 <= self.kilobits_per_second <= 1_000_000:
            raise ValueError(
                f"kilobits_per_second is {self.kilobits_per_second}: give 50 to 1,000,000"
            )
        if not 1 <= self.frames_per_second <= 240:
            raise ValueError(f"frames_per_second is {self.frames_per_second}: give 1 to 240")

    def options(self) -> dict[str, str]:
        """For the encoder, by FFmpeg's names."""
        rate, buffer = self.kilobits_per_second, self.kilobits_per_second * self.buffer_seconds
        interval = max(2, round(self.refresh_seconds * self.frames_per_second))
        if self.codec == "h264":
            # aq-mode 0 and psy 0: levels aren't seen as a picture; 9 % fewer bits, less time
            return {
                "preset": str(self.preset or "veryfast"),
                "tune": "zerolatency",
                "aq-mode": "0",
                "psy": "0",
                "crf": str(self.quality),
                "maxrate": f"{rate}k",
                "bufsize": f"{round(buffer)}k",
                "g": str(interval),
                "intra-refresh": "1",
                "forced-idr": "1",
                # What others call threads would delay frames; slices of one frame don't. And a
                # refreshed texel is predicted from refreshed ones only, or it would inherit what
                # a lost packet has spoilt: that costs no bits (docs/streaming.md).
                "x264-params": f"sliced-threads=1:threads={self.threads}:constrained-intra=1",
            }
        if self.codec == "av1":
            parameters = {
                "rtc": 1,
                "lookahead": 0,
                "keyint": interval,
                "lp": self.threads,
                "aq-mode": 0,
                "force-key-frames": 1,
            }
            return {
                "preset": str(10 if self.preset is None else self.preset),
                "crf": str(round(self.quality)),
                "svtav1-params": ":".join(f"{name}={value}" for name, value in parameters.items()),
            }
        return {"level": "3", "slices": "4", "slicecrc": "1"}

    def at(self, kilobits_per_second: float) -> "CodecSettings":
        """The same with another rate."""
        return replace(self, kilobits_per_second=max(50, round(kilobits_per_second)))


ENCODERS = {"h264": "libx264", "av1": "libsvtav1", "ffv1": "ffv1"}
FORMATS = {"h264": "gray10le", "av1": "yuv420p10le", "ffv1": "gray10le"}


@dataclass(frozen=True)
class Coded:
    """One frame of a stream."""

    data: bytes
    is_key: bool


class PlaneEncoder:
    """Codes pictures one by one; every picture gives one packet at once.

    Raises:
        ValueError: PyAV, or the codec in it, isn't here; or it refuses these settings.
    """

    def __init__(self, grid: Grid, settings: CodecSettings) -> None:
        av = require_av(ENCODERS[settings.codec])
        self.av, self.grid, self.settings = av, grid, settings
        context = av.CodecContext.create(ENCODERS[settings.codec], "w")
        context.width, context.height = grid.width, grid.height
        context.pix_fmt = FORMATS[settings.codec]
        rate = Fraction(settings.frames_per_second).limit_denominator(1001)
        context.framerate, context.time_base = rate, 1 / rate
        context.color_range = FULL_RANGE
        context.thread_count = settings.threads
        context.options = settings.options()
        self.context, self.count = context, 0
        try:
            context.open()
        except (av.FFmpegError, OSError) as error:
            raise ValueError(f"{ENCODERS[settings.codec]} refuses {settings}: {error}") from error
        self._chroma: bytes | None = None

    def encode(self, picture: Levels, *, key: bool = False) -> Coded:
        """The packet of a picture.

        Args:
            picture: levels.
            key: whether it is coded without any other.

        Raises:
            ValueError: another size.
            RuntimeError: the encoder gave no packet, or several.
        """
        frame = self.frame(picture)
        if key:
            frame.pict_type = INTRA
        packets = [packet for packet in self.context.encode(frame) if packet.size]
        if len(packets) != 1:
            raise RuntimeError(f"{self.settings.codec} gave {len(packets)} packets for one picture")
        data = bytes(packets[0])
        if self.settings.codec == "h264":
            # FFmpeg also calls the points at which an intra refresh is complete key frames
            return Coded(data, IDR in nal_types(data))
        return Coded(data, bool(packets[0].is_keyframe))

    def frame(self, picture: Levels) -> Any:
        """The codec's own record of a picture; ValueError for another size."""
        if picture.shape != (self.grid.height, self.grid.width):
            raise ValueError(f"a picture {picture.shape} came for {self.grid}")
        frame = self.av.VideoFrame(self.grid.width, self.grid.height, self.context.pix_fmt)
        frame.color_range = FULL_RANGE
        frame.pts, self.count = self.count, self.count + 1
        frame.time_base = self.context.time_base
        rows_of(frame.planes[0], self.grid.height)[:, : self.grid.width] = picture
        for plane in frame.planes[1:]:
            rows_of(plane, plane.height)[:] = 512
        return frame

    def extradata(self) -> bytes:
        """What a container needs to know of the stream."""
        return bytes(self.context.extradata or b"")


class PlaneDecoder:
    """The inverse of `PlaneEncoder`.

    Pictures of another size than the grid's are refused, and never allocated.
    """

    NAMES: Mapping[str, str] = {"h264": "h264", "av1": "libdav1d", "ffv1": "ffv1"}

    def __init__(self, grid: Grid, codec: str, extradata: bytes = b"") -> None:
        av = require_av(self.NAMES[codec], "r")
        self.av, self.grid, self.codec = av, grid, codec
        context = av.CodecContext.create(self.NAMES[codec], "r")
        context.thread_count = 1
        # the padded size of the stream: macroblocks of 16, superblocks of 128
        padded = (grid.width + 128) * (grid.height + 128)
        context.options = {"max_pixels": str(padded), "flags": "low_delay"}
        if codec == "av1":
            context.options |= {"max_frame_delay": "1"}
        if codec == "ffv1":
            context.width, context.height, context.pix_fmt = grid.width, grid.height, FORMATS[codec]
        if extradata:
            context.extradata = extradata
        self.context = context

    def decode(self, data: bytes) -> Levels | None:
        """The picture of a packet; None if the decoder gives none (it needs a key frame first).

        Raises:
            ValueError: the data are damaged, or of another size.
        """
        if not data:  # to FFmpeg this is the end of the stream: nothing would be decoded any more
            raise ValueError("a damaged packet (it is empty)")
        try:
            frames = self.context.decode(self.av.Packet(data))
        except self.av.FFmpegError as error:
            raise ValueError(f"a damaged packet ({error.strerror})") from error
        picture = None
        for frame in frames:
            picture = self._levels(frame)
        return picture

    def _levels(self, frame: Any) -> Levels:
        if (frame.width, frame.height) != (self.grid.width, self.grid.height) or (
            frame.format.components[0].bits != 10
        ):
            raise ValueError(
                f"a picture of {frame.width}x{frame.height} {frame.format.name} came, expected"
                f" {self.grid.width}x{self.grid.height} with 10 bits"
            )
        return rows_of(frame.planes[0], frame.height)[:, : frame.width].copy()


def nal_types(data: bytes) -> list[int]:
    """The types of the units of an H.264 packet (ITU-T H.264, annex B)."""
    return [unit[0] & 31 for unit in data.split(b"\x00\x00\x01")[1:] if unit]


def webcodecs_string(codec: str, data: bytes, grid: Grid) -> str:
    """How WebCodecs calls the codec of a key frame: profile and level of its first SPS.

    AV1: main profile, 10 bits, the level that holds the picture at 30 frames a second.
    """
    if codec == "h264":
        for unit in data.split(b"\x00\x00\x01")[1:]:
            if unit and unit[0] & 31 == SPS:
                return f"avc1.{unit[1:4].hex()}"
        return ""
    return "av01.0.13M.10" if codec == "av1" else ""


def rows_of(plane: Any, height: int) -> Levels:
    """A plane's memory, padding included."""
    return np.frombuffer(plane, np.uint16)[: height * plane.line_size // 2].reshape(height, -1)


def require_av(codec: str, mode: Literal["r", "w"] = "w") -> Any:
    """PyAV with this codec; ValueError where it isn't installed."""
    try:
        import av
        import av.logging
    except ImportError:
        raise ValueError("`trilift stream` needs PyAV: pip install 'trilift[stream]'") from None
    av.logging.set_level(av.logging.PANIC)
    try:
        av.Codec(codec, mode)
    except ValueError as error:
        raise ValueError(
            f"this PyAV has no {codec}: install PyAV's own wheel, or choose another codec="
        ) from error
    return av
