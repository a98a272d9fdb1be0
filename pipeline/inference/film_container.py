"""Films in pieces: encoded one by one, then joined with the sound of the source.

Pictures are H.264 without B-frames, so that packets are in the order of frames and pieces join
without being decoded. Sound is copied, unless MP4 has no place for its kind: then it becomes AAC.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.portraits.film import DEMUXERS, TICKS
from pipeline.runs.files import replaced_file

Frame = UInt8[np.ndarray, "height width 3"]

COPIED = ("aac", "mp3", "opus", "ac3", "eac3", "flac", "alac")
"""Kinds of sound that players expect in MP4."""

AAC_RATES = (
    *(7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000),
    *(32_000, 44_100, 48_000, 64_000, 88_200, 96_000),
)
"""In Hz, of AAC (ISO/IEC 14496-3, table 1.18); other sound is resampled."""

ENCODER = {"crf": "17", "preset": "medium", "bf": "0", "threads": "1"}
"""Of x264; on one thread, so that the same frames are the same bytes on any machine."""


def require_encoder() -> None:
    """Raises ValueError unless PyAV is installed and can write H.264."""
    try:
        import av
    except ImportError as error:
        raise ValueError("films need PyAV: pip install 'trilift[video]'") from error
    if "libx264" not in av.codecs_available:
        raise ValueError("this PyAV has no H.264 encoder: pip install av, whose wheels have one")


def write_piece(path: Path, frames: Iterable[Frame], ticks: Sequence[int]) -> None:
    """Encodes the frames of one piece; the file appears whole or not at all.

    Args:
        path: .mp4.
        frames: 8-bit RGB of one size with even sides, one for each of `ticks`.
        ticks: their times, in `TICKS` of a second.
    """
    import av

    with (
        replaced_file(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options=_timescale()) as container,
    ):
        stream: Any = None
        for frame, time in zip(frames, ticks, strict=True):
            if stream is None:
                stream = container.add_stream("libx264", rate=30, options=ENCODER)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = time - ticks[0], Fraction(1, TICKS)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode())


def join_pieces(
    path: Path, pieces: Sequence[Path], ticks: Sequence[int], end: int, source: Path
) -> tuple[str, ...]:
    """Writes the film: pictures of the pieces at their times, and the sound of the source at its
    own, up to the end of the pictures.

    Args:
        path: .mp4; appears whole or not at all.
        pieces: what `write_piece` wrote, in order.
        ticks: times of all frames, in `TICKS` of a second on the source's clock.
        end: when the last frame ends.
        source: the film that was lifted.

    Returns:
        remarks for the user.

    Raises:
        ValueError: the source's sound can't be read.
    """
    import av

    options = {**_timescale(), "movflags": "faststart"}
    with (
        replaced_file(path) as temporary,
        av.open(str(pieces[0])) as first,
        av.open(str(source), format=DEMUXERS[source.suffix.lower()]) as heard,
        av.open(str(temporary), "w", format="mp4", options=options) as container,
    ):
        shown = container.add_stream_from_template(first.streams.video[0])
        # PyAV gives no codec for a kind that FFmpeg can't decode
        known = [stream for stream in heard.streams.audio if stream.codec_context is not None]
        sounds = {stream.index: _Sound(container, stream) for stream in known}
        packets = heapq.merge(
            _pictures(pieces, ticks, end, shown),
            _heard(heard, sounds, Fraction(end, TICKS)),
            key=lambda pair: pair[0],
        )
        try:
            for _, packet in packets:
                container.mux(packet)
        except av.FFmpegError as error:
            raise ValueError(f"the film's sound can't be read ({error.strerror})") from error
        notes = [sound.note for sound in sounds.values() if sound.note]
        if len(known) < (tracks := len(heard.streams.audio)):
            lost = f"{tracks - len(known)} of {tracks} tracks of sound"
            notes.append(f"{lost} left out: FFmpeg can't decode their kind")
        return tuple(notes)


def _timescale() -> dict[str, str]:
    return {"video_track_timescale": str(TICKS)}


def _pictures(
    pieces: Sequence[Path], ticks: Sequence[int], end: int, stream: Any
) -> Iterator[tuple[Fraction, Any]]:
    import av

    times = [*ticks, end]
    number = 0
    for piece in pieces:
        with av.open(str(piece)) as container:
            for packet in container.demux(video=0):
                if packet.size == 0:  # the demuxer's end
                    continue
                packet.stream, packet.time_base = stream, Fraction(1, TICKS)
                packet.pts = packet.dts = times[number]
                packet.duration = times[number + 1] - times[number]
                yield Fraction(times[number], TICKS), packet
                number += 1
    assert number == len(ticks), "pieces hold other frames than the film"


def _heard(
    container: Any, sounds: dict[int, "_Sound"], end: Fraction
) -> Iterator[tuple[Fraction, Any]]:
    for packet in (
        container.demux(*(container.streams[index] for index in sounds)) if sounds else ()
    ):
        sound = sounds[packet.stream.index]
        if packet.dts is None:  # the demuxer's end
            yield from sound.rest()
        elif packet.pts * packet.time_base < end:
            yield from sound.packets(packet)


class _Sound:
    """One stream of sound on its way into the film."""

    def __init__(self, container: Any, source: Any) -> None:
        name = source.codec_context.codec.canonical_name  # the decoder's own may be "mp3float"
        self.note, self.encoder = "", None
        if name in COPIED:
            self.stream = container.add_stream_from_template(source)
            return
        rate = _aac_rate(source.codec_context.rate)
        self.encoder = self.stream = container.add_stream("aac", rate=rate)
        # PCM may come without an order of channels, which the encoder refuses.
        self.stream.layout = "mono" if source.codec_context.channels == 1 else "stereo"
        self.note = f"the sound ({name}) has no place in MP4: it is AAC now"

    def packets(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        if self.encoder is None:
            packet.stream = self.stream
            yield packet.dts * packet.time_base, packet
            return
        for frame in packet.decode():
            if frame.pts is not None:
                # the file's units may be too coarse for the encoder, whose frames are shorter
                frame.pts = round(frame.pts * frame.time_base * frame.sample_rate)
                frame.time_base = Fraction(1, frame.sample_rate)
            yield from self._timed(self.encoder.encode(frame))

    def rest(self) -> Iterator[tuple[Fraction, Any]]:
        if self.encoder is not None:
            yield from self._timed(self.encoder.encode(None))

    def _timed(self, packets: list[Any]) -> Iterator[tuple[Fraction, Any]]:
        for packet in packets:
            yield packet.dts * packet.time_base, packet


def _aac_rate(rate: int) -> int:
    """The lowest rate, Hz, of AAC that isn't below the sound's own; otherwise its highest."""
    return min((one for one in AAC_RATES if one >= rate), default=max(AAC_RATES))
