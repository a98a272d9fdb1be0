"""The sender: a lifting process, an encoding process, and this one, which serves viewers."""

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .codecs import CodecSettings, webcodecs_string
from .coding import EncoderProcess
from .header import StreamHeader
from .lifting import LiftedFrame, LiftProcess, LiftSettings
from .mailbox import now_us
from .packets import Kind, Packet
from .rate import RateControl
from .recording import Recording
from .server import Broadcast
from .worker import WorkerLost

log = logging.getLogger(__name__)


@dataclass
class SenderCounts:
    """What became of the frames."""

    lifted: int = 0
    coded: int = 0
    lost: int = 0
    bytes: int = 0
    keys: int = 0
    rates: list[int] = field(default_factory=list)


class Sender:
    """Frames → packets for every viewer of `broadcast`, on a thread, until the source ends.

    Args:
        lift: of the lifting process.
        codec: of the encoder; `frames_per_second` becomes the source's.
        broadcast: where packets go.
        record: file of a recording without loss; None: none.

    Raises:
        ValueError: the recording would replace what is sent.
    """

    def __init__(
        self,
        lift: LiftSettings,
        codec: CodecSettings,
        broadcast: Broadcast,
        *,
        record: Path | None = None,
    ) -> None:
        if record is not None:
            lift.source.require_spared(record)
        self.lifting = LiftProcess(replace(lift, codec=codec.codec))
        self.codec, self.broadcast, self.record = codec, broadcast, record
        self.counts = SenderCounts()
        self.rate = RateControl(float(codec.kilobits_per_second))
        self.error: Exception | None = None
        self.ended = threading.Event()

    def start(self) -> StreamHeader:
        """Starts both processes and the thread.

        Returns:
            the stream's header.

        Raises:
            ValueError: what one of them says.
        """
        header = self.lifting.start().header
        try:
            # recordings and cameras have a rate of their own, in which the codec's seconds count
            self.codec = replace(self.codec, frames_per_second=header.frames_per_second)
            self.encoder = EncoderProcess(header.grid, self.codec).start()
        except ValueError:
            self.lifting.close()
            raise
        self.header = header
        self._recording = None if self.record is None else Recording(self.record, header)
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()
        return header

    def close(self) -> None:
        """Ends everything."""
        self.lifting.close()
        self._thread.join(timeout=60)  # the disk may be slow to take a recording
        self.encoder.close()

    def _run(self) -> None:
        try:
            try:
                for frame in self.lifting:
                    self._send(frame)
            finally:  # what was sent until an error is a recording, too
                if self._recording is not None:
                    self._recording.close()
        except Exception as error:
            self.error = error
            log.error("the stream ended: %s", error)
        finally:
            self.ended.set()

    def _send(self, frame: LiftedFrame) -> None:
        self.counts.lifted += 1
        if self._recording is not None:
            self._recording.write(frame.picture)
        now = time.monotonic()
        changed = self.rate.update(now, *self.broadcast.trouble())
        key = self.broadcast.keys.due(now)
        try:
            if changed is not None:
                self._change_rate(changed)
            coded = self.encoder.encode(frame.picture, key=key)
        except (WorkerLost, ValueError) as error:
            self.counts.lost += 1
            self.broadcast.keys.wanted = True
            log.warning("a frame is lost: %s", error)
            return
        if coded.is_key:
            self.broadcast.keys.made(now)
            self.counts.keys += 1
            self._name_codec(coded.data)
        stamps = (*frame.stamps, now_us(), 0)
        packet = Packet(
            Kind.PICTURE,
            coded.data,
            frame.number,
            coded.is_key,
            self.header.normalisation.version,
            stamps,
        )
        data = packet.to_bytes()
        self.counts.coded += 1
        self.counts.bytes += len(data)
        self.broadcast.publish(data, coded.is_key)

    def _change_rate(self, rate: float) -> None:
        settings = self.codec.at(rate)
        # Another encoder begins with a key frame, a burst for viewers that can't follow as it is:
        # AV1, whose options hold no rate, goes on.
        if settings.options() != self.encoder.settings.options():
            self.encoder.change(settings)
            self.counts.rates.append(round(rate))

    def _name_codec(self, data: bytes) -> None:
        """The header says what WebCodecs calls this stream; viewers get it before the key frame."""
        name = webcodecs_string(self.codec.codec, data, self.header.grid)
        if name != self.header.codec_string:
            self.header = replace(self.header, codec_string=name)
            self.broadcast.publish_header(self.header)

    def record_of(self) -> dict[str, Any]:
        """What happened, for JSON."""
        counts = self.counts
        return {
            "lifted": counts.lifted,
            "coded": counts.coded,
            "lost": counts.lost,
            "too_late": self.lifting.dropped,
            "key_frames": counts.keys,
            "megabytes": round(counts.bytes / 1e6, 3),
            "encoder_restarts": self.encoder.worker.restarts,
            "rates": counts.rates,
        }
