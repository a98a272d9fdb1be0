"""What the sender's first process makes of frames: crops that follow a face, hooks, recordings."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import Reconstructor
from pipeline.portraits.face import DetectedFace
from pipeline.portraits.framing import FaceCrops, WholePicture
from pipeline.portraits.hooks.chain import Hooks
from pipeline.streaming import source as sources
from pipeline.streaming.header import StreamHeader
from pipeline.streaming.lifting import Lifting, LiftProcess, LiftSettings, _replayed
from pipeline.streaming.mailbox import Mailbox, now_us
from pipeline.streaming.recording import Recording, is_recording, read_recording
from pipeline.streaming.source import Captured, Source
from pipeline.streaming.tiling import Grid


class RightHalf:
    """A detector whose face moves a little in every frame, then is lost."""

    name = "scripted"

    def detect(self, picture):
        if picture.frame >= 3:
            return []
        face = np.array([[-0.18, -0.16], [0.18, -0.16], [0.0, 0.05], [-0.14, 0.22], [0.14, 0.22]])
        return [DetectedFace.around(face * 40 + (90 + picture.frame, 32))]


def brighter(image):
    return (image + 3) / 4


def settings(framing, normalisation, **changes) -> LiftSettings:
    return LiftSettings(
        student=student_file("bundled/puppets_tiny"),
        source=Source(name="none"),
        framing=framing,
        normalisation=normalisation,
        kernels="readable",
        **changes,
    )


@pytest.fixture
def seen(monkeypatch):
    """The images that the student is given after its warm-up."""
    images, lift = [], Reconstructor.lift

    def watched(self, photo, **given):
        images.append(photo)
        return lift(self, photo, **given)

    monkeypatch.setattr(Reconstructor, "lift", watched)
    return images


def lifted(lifting: Lifting, count: int) -> list:
    frames = np.zeros((64, 128, 3), np.uint8)
    frames[:, 64:] = 200
    box, found = Mailbox[Captured](), []

    def play() -> None:
        for number in range(count):
            box.put(Captured(number, Image.fromarray(frames), now_us()))
            while box._held:
                time.sleep(0.001)
        box.close()

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    found = list(lifting.run(box))
    thread.join(10)
    return found


def test_the_crop_follows_the_face_hooks_edit_it_and_a_lost_face_leaves_it(bundled, seen):
    hooks = Hooks({"brighter": brighter})
    lifting = Lifting(settings(FaceCrops(RightHalf()), bundled, hooks=hooks))
    seen.clear()
    header, *frames = lifted(lifting, 5)
    assert isinstance(header, StreamHeader) and len(frames) == 5
    assert all(image.min() >= 0.5 - 1e-6 for image in seen)
    plain = torch.stack([image[0, 0] for image in seen])
    assert plain[2, 32, 40] > 0.85  # the right half of the picture is bright
    assert torch.equal(plain[3], plain[4]) and torch.equal(plain[2], plain[3])
    assert [frame.number for frame in frames] == list(range(5))


def test_a_recording_is_played_at_its_own_pace_without_loss(lifter, bundled, tmp_path):
    grid, path = Grid(48, 64), tmp_path / "planes.mkv"
    header = StreamHeader("ffv1", grid, bundled, lifter.passport, 20.0)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 1024, (grid.height, grid.width), np.uint16) for _ in range(4)]
    recording = Recording(path, header)
    for picture in pictures:
        recording.write(picture)
    recording.close()
    assert is_recording(path)
    assert all(
        (one == other).all() for one, other in zip(read_recording(path)[1], pictures, strict=True)
    )
    started = time.monotonic()
    told, *frames = _replayed(
        LiftSettings(
            student=Path("unused"),
            source=Source(name=str(path)),
            framing=WholePicture(),
            codec="av1",
        )
    )
    assert told.codec == "av1" and told.normalisation == bundled
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert all((one.picture == two).all() for one, two in zip(frames, pictures, strict=True))
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_lifting_process_that_dies_is_no_end_of_the_source(lifter, bundled, tmp_path, is_killed):
    grid, path = Grid(48, 64), tmp_path / "planes.mkv"
    recording = Recording(path, StreamHeader("ffv1", grid, bundled, lifter.passport, 5.0))
    for _ in range(20):
        recording.write(np.zeros((grid.height, grid.width), np.uint16))
    recording.close()
    source = Source(name=str(path))
    lifting = LiftProcess(
        LiftSettings(student=Path("unused"), source=source, framing=WholePicture())
    ).start()
    frames = iter(lifting)
    assert next(frames).number == 0
    if is_killed:
        os.kill(lifting._process.pid, signal.SIGKILL)
        with pytest.raises(ValueError, match=r"died \(SIGKILL\) before the source's end"):
            list(frames)
    lifting.close()
    assert list(frames) == []


def test_a_film_of_others_is_no_recording(tmp_path):
    from tests.films import write_film

    film = write_film(tmp_path / "a.mkv", [np.zeros((16, 16, 3), np.uint8)] * 2, sound=None)
    assert not is_recording(film)
    with pytest.raises(ValueError, match="no recording"):
        read_recording(film)


def test_a_camera_is_read_by_ffmpeg_s_device_and_a_missing_one_is_a_sentence(monkeypatch):
    """No camera here: a generator of FFmpeg stands for the device."""
    monkeypatch.setattr(sources, "CAMERA_FORMATS", {"linux": "lavfi"})
    box, stop, taken = Mailbox[Captured](), threading.Event(), []
    camera = Source(name="camera:testsrc=size=64x48:rate=100")
    camera.check()
    thread = threading.Thread(target=camera.play, args=(box, stop), daemon=True)
    thread.start()
    while len(taken) < 3:
        taken.append(box.take(5.0))
    stop.set()
    thread.join(10)
    assert taken[0].image.size == (64, 48) and taken[-1].number >= 2
    assert taken[0].stamp < taken[1].stamp < taken[2].stamp
    assert [one.rate for one in taken] == [100.0] * 3
    monkeypatch.undo()
    with pytest.raises(ValueError, match="can't be opened"):
        next(sources._camera("/dev/no-camera"))


def streamed(source: Source, normalisation) -> list:
    """What a source becomes, up to its error, which comes last."""
    box, stop, found = Mailbox[Captured](), threading.Event(), []
    lifting = Lifting(replace(settings(WholePicture(), normalisation), source=source))
    thread = threading.Thread(target=source.play, args=(box, stop), daemon=True)
    thread.start()
    try:
        for thing in lifting.run(box):
            found.append(thing)
    except ValueError as error:
        found.append(error)
    finally:
        stop.set()
        thread.join(10)
    return found


@pytest.mark.parametrize(("said", "told"), [("12.5", 12.5), ("1000", 30.0)])
def test_the_header_has_a_camera_s_own_rate_if_it_can_be_one(bundled, monkeypatch, said, told):
    monkeypatch.setattr(sources, "CAMERA_FORMATS", {"linux": "lavfi"})
    source = Source(name=f"camera:testsrc=size=64x64:rate={said}:duration=0.2")
    header, *frames = streamed(source, bundled)
    assert frames and header.frames_per_second == told


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_a_source_that_is_no_picture_is_an_error_before_the_header(
    bundled, tmp_path, is_calibrated
):
    (tmp_path / "notes.txt").write_text("no film")
    source = Source(name=str(tmp_path / "notes.txt"))
    (said,) = streamed(source, bundled if is_calibrated else None)
    assert isinstance(said, ValueError) and "notes.txt: not a picture" in str(said)


def test_a_damaged_picture_ends_the_stream_by_its_name_after_those_before(bundled, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for number in range(4):
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:900])
    source = Source(name=str(tmp_path), frames_per_second=4.0)
    header, *frames, said = streamed(source, bundled)
    assert isinstance(header, StreamHeader) and frames[-1].number == 1
    assert isinstance(said, ValueError) and f"{tmp_path / '2.png'}: damaged PNG" in str(said)


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_a_source_without_frames_is_an_error(bundled, is_calibrated):
    lifting = Lifting(settings(WholePicture(), bundled if is_calibrated else None))
    box = Mailbox[Captured]()
    box.close()
    with pytest.raises(ValueError, match="gave no frame"):
        next(lifting.run(box))
