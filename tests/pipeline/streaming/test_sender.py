"""The sender: what it records, and what it tells its encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.portraits.framing import WholePicture
from pipeline.streaming.codecs import CodecSettings, Coded
from pipeline.streaming.header import StreamHeader
from pipeline.streaming.lifting import LiftedFrame, LiftProcess, LiftSettings
from pipeline.streaming.recording import Recording, read_recording
from pipeline.streaming.sender import Sender
from pipeline.streaming.server import Broadcast, Limits
from pipeline.streaming.source import Source
from pipeline.streaming.tiling import Grid

GRID = Grid(48, 64)


@pytest.fixture
def recorded(lifter, bundled):
    """Writes a recording of grey pictures."""

    def record(path: Path, *, count: int = 4, rate: float = 20.0) -> Path:
        recording = Recording(path, StreamHeader("ffv1", GRID, bundled, lifter.passport, rate))
        for number in range(count):
            recording.write(np.full((GRID.height, GRID.width), 100 * number, np.uint16))
        recording.close()
        return path

    return record


def sender(source: Path | str, record: Path | None = None, **codec) -> Sender:
    lift = LiftSettings(
        student=Path("unused"), source=Source(name=str(source)), framing=WholePicture()
    )
    broadcast = Broadcast(Limits(), hosts=("127.0.0.1",))
    return Sender(lift, CodecSettings(**codec), broadcast, record=record)


def sent(sending: Sender) -> Sender:
    sending.start()
    try:
        assert sending.ended.wait(60)
    finally:
        sending.close()
    return sending


@pytest.mark.parametrize("name", ["itself", "a link to it", "a link from it", "another way"])
def test_a_recording_that_would_replace_what_is_sent_is_refused(tmp_path, recorded, name):
    source = recorded(tmp_path / "a" / "planes.mkv")
    before = source.read_bytes()
    (tmp_path / "link.mkv").symlink_to(source)
    source, record = {
        "itself": (source, source),
        "a link to it": (source, tmp_path / "link.mkv"),
        "a link from it": (tmp_path / "link.mkv", source),
        "another way": (source, tmp_path / "b" / ".." / "a" / "planes.mkv"),
    }[name]
    with pytest.raises(ValueError, match=r"record=.* belongs to input=.*: give another file"):
        sender(source, record)
    assert source.read_bytes() == before


def test_a_recording_in_the_folder_that_is_sent_is_refused(tmp_path):
    (tmp_path / "pictures").mkdir()
    for record in ("0.png", "planes.mkv"):
        with pytest.raises(ValueError, match="belongs to input"):
            sender(tmp_path / "pictures", tmp_path / "pictures" / record)
    sender(tmp_path / "pictures", tmp_path / "planes.mkv")
    sender("camera:/dev/video0", tmp_path / "planes.mkv")


def test_a_recording_replaces_an_earlier_one_when_it_is_complete(tmp_path, recorded):
    source, record = recorded(tmp_path / "source.mkv"), tmp_path / "recorded" / "planes.mkv"
    sending = sent(sender(source, record))
    shown = [picture.max() for picture in read_recording(record)[1]]
    assert shown[-1] == 300 and len(shown) == sending.counts.lifted  # late ones are dropped
    before = record.read_bytes()
    recording = Recording(record, read_recording(source)[0])
    recording.write(np.zeros((GRID.height, GRID.width), np.uint16))
    assert record.read_bytes() == before
    recording.stream = None  # its last pictures can't be written
    with pytest.raises(AttributeError):
        recording.close()
    recorded(record, count=0)
    assert [path.name for path in record.parent.iterdir()] == [record.name]
    assert record.read_bytes() == before


def test_a_recording_that_cannot_be_completed_ends_the_stream_with_its_error(
    tmp_path, recorded, monkeypatch
):
    def full(self: Recording) -> None:
        raise OSError(28, "No space left on device")

    source = recorded(tmp_path / "source.mkv")
    monkeypatch.setattr(Recording, "close", full)
    assert "No space left" in str(sent(sender(source, tmp_path / "planes.mkv")).error)


class Watched:
    """An encoder that says what it is asked."""

    def __init__(self, settings: CodecSettings) -> None:
        self.settings, self.changes = settings, []

    def change(self, settings: CodecSettings) -> None:
        self.settings = settings
        self.changes.append(settings.kilobits_per_second)

    def encode(self, picture: np.ndarray, *, key: bool) -> Coded:
        return Coded(b"coded", False)


@pytest.mark.parametrize(("codec", "rates"), [("h264", [3500]), ("av1", [])])
def test_trouble_changes_the_encoder_only_where_its_codec_has_a_rate(
    lifter, bundled, monkeypatch, codec, rates
):
    sending = sender("none", codec=codec)
    sending.header = StreamHeader(codec, GRID, bundled, lifter.passport, 30.0)
    sending.encoder, sending._recording = Watched(sending.codec), None
    monkeypatch.setattr(sending.broadcast, "trouble", lambda: (1, 1))
    for number in range(3):
        sending._send(LiftedFrame(number, np.zeros((1, 1), np.uint16), (0, 0, 0)))
    assert sending.encoder.changes == sending.counts.rates == rates
    assert sending.counts.coded == 3


def test_the_encoder_is_told_the_rate_of_a_recording(tmp_path, recorded):
    sending = sent(sender(recorded(tmp_path / "planes.mkv", rate=12.5), refresh_seconds=2))
    assert sending.encoder.settings.frames_per_second == 12.5
    assert sending.encoder.settings.options()["g"] == "25"


def test_a_recording_whose_rate_no_encoder_takes_is_a_sentence(tmp_path, recorded, monkeypatch):
    path = recorded(tmp_path / "planes.mkv")
    start = LiftProcess.start

    def fast(self: LiftProcess) -> LiftProcess:
        start(self)
        self.header = replace(self.header, frames_per_second=500.0)
        return self

    monkeypatch.setattr(LiftProcess, "start", fast)
    sending = sender(path)
    with pytest.raises(ValueError, match="frames_per_second is 500"):
        sending.start()
    assert sending.lifting._process._process.poll() is not None
