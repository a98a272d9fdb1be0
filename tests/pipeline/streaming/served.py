"""A stream's server on a loop of its own, fed by the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.lifter import Lifter
from pipeline.streaming.codecs import CodecSettings, Coded, PlaneEncoder, webcodecs_string
from pipeline.streaming.header import StreamHeader, scene_of
from pipeline.streaming.mailbox import now_us
from pipeline.streaming.normalisation import Normalisation
from pipeline.streaming.packets import Kind, Packet
from pipeline.streaming.server import Broadcast, Limits, application
from pipeline.streaming.tiling import Grid
from tests.served_page import ServedPage, served_page


@dataclass
class Served(ServedPage):
    broadcast: Broadcast


@contextmanager
def served(limits: Limits) -> Iterator[Served]:
    broadcast = Broadcast(limits, hosts=("127.0.0.1",), about="A student of tests")
    with served_page(application(broadcast), broadcast.token) as page:
        yield Served(**vars(page), broadcast=broadcast)


class Feed:
    """Codes planes and publishes them."""

    def __init__(
        self, broadcast: Broadcast, lifter: Lifter, code: Normalisation, codec: str = "h264"
    ) -> None:
        passport = lifter.passport
        self.grid = Grid(3 * passport.stored_channels, passport.plane_resolution)
        self.broadcast, self.code, self.number = broadcast, code, 0
        self.encoder = PlaneEncoder(self.grid, CodecSettings(codec=codec))
        self.header = StreamHeader(codec, self.grid, code, passport, 30.0, scene_of(lifter))

    def publish(self, planes, *, key: bool = False) -> Coded:
        coded = self.encoder.encode(self.grid.picture(self.code.levels(planes)), key=key)
        if self.number == 0:
            name = webcodecs_string(self.header.codec, coded.data, self.grid)
            self.header = StreamHeader(**{**vars(self.header), "codec_string": name})
            self.broadcast.publish_header(self.header)
        stamps = (now_us(),) * 4 + (0,)
        packet = Packet(Kind.PICTURE, coded.data, self.number, coded.is_key, 1, stamps)
        self.broadcast.publish(packet.to_bytes(), coded.is_key)
        self.number += 1
        return coded
