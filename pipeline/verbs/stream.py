"""A triplane call: lift every frame here, render it where it is watched, from any side.

  trilift stream input=clip.mp4                   # prints an address: open it in a browser
  trilift stream input=camera:/dev/video0
  trilift stream address='"http://127.0.0.1:8090/?token=…"' output=seen.mp4 report=latency.json

The sender crops and lifts the frames, codes the planes by an ordinary video codec (10-bit H.264)
and sends the same packets to each viewer, who turns the head at no cost for the sender. Frames that
come too late are dropped; queues never grow. A page needs a browser with WebCodecs and WebGL2.

input= is a film, a folder of pictures, camera:NAME, or a recording (record=planes.mkv writes one,
without loss). portraits=whole takes pictures that are crops already; otherwise the largest face is
followed. hooks=[cartoon] edits each crop, as in trilift lift. address= receives without a browser
and renders at a camera on an ellipse; report= then says where the time went.

The page is on this machine only (host=127.0.0.1), its address holds a token. docs/streaming.md says
what it costs in bits, and what x264's licence asks of whoever passes it on. Needs
pip install 'trilift[stream]'.
"""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.hooks import build_hooks
from pipeline.build.numerics import with_kernels
from pipeline.inference.background import background_of
from pipeline.inference.device import device_named
from pipeline.inference.pretrained import bundled_default, student_file
from pipeline.lifter import Lifter
from pipeline.portraits.front_door import PortraitSettings
from pipeline.runs.files import write_json
from pipeline.runs.kernel_choice import renderer_trial
from pipeline.streaming.codecs import CodecSettings, require_av
from pipeline.streaming.normalisation import Normalisation
from pipeline.verbs.lift import say
from teachers.passport import Passport
from teachers.rendering.camera import Camera

MOST_FRAMES = 60.0
"""A second, of the film of what was displayed."""


@verb("stream")
def main(config: DictConfig) -> None:
    """Sends, or receives."""
    settings = to_plain(config)
    if (settings["input"] is None) == (settings["address"] is None):
        raise ValueError("give input= to send, or address= to receive")
    require_aiohttp()
    require_av("h264", "r")
    if settings["address"] is None:
        send(config, settings)
    else:
        receive(config, settings)


def require_aiohttp() -> None:
    """Raises ValueError where the server's library isn't installed."""
    try:
        import aiohttp  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError("`trilift stream` needs aiohttp: pip install 'trilift[stream]'") from None


def send(config: DictConfig, settings: dict[str, Any]) -> None:
    """Serves until the source ends and everybody has left, or Ctrl-C."""
    from pipeline.pages import is_loopback, names_of
    from pipeline.streaming.sender import Sender
    from pipeline.streaming.server import Broadcast, Limits
    from pipeline.streaming.serving import serve

    host = str(settings["host"])
    if not is_loopback(host):
        say(
            f"host={host}: everybody who can reach this machine and learns the address can watch;"
            " the connection isn't encrypted, and browsers decode video only on encrypted pages or"
            " on this machine"
        )
    lift = lift_settings(config, settings)
    codec = CodecSettings(**settings["codec"], frames_per_second=settings["frames_per_second"])
    passport = Lifter.load(lift.student).passport
    broadcast = Broadcast(
        Limits(**settings["limits"]),
        hosts=names_of(host, settings["names"]),
        about=f"Teacher {passport.name!r}; licence: {passport.licence}",
    )
    record = None if settings["record"] is None else Path(str(settings["record"]))
    sender = Sender(lift, codec, broadcast, record=record)
    say(broadcast.about)
    asyncio.run(serve(sender, host, int(settings["port"]), say))
    if settings["report"] is not None:
        write_json(Path(str(settings["report"])), sender.record_of(), indent=2)
    if sender.error is not None:
        raise ValueError(str(sender.error)) from sender.error


def lift_settings(config: DictConfig, settings: dict[str, Any]) -> Any:
    """Of the lifting process.

    Raises:
        FileNotFoundError: no such input or student.
        ValueError: a file isn't what it should be.
    """
    from pipeline.streaming.lifting import LiftSettings
    from pipeline.streaming.normalisation import planes_file
    from pipeline.streaming.source import Source

    student = student_file(settings["checkpoint"] or bundled_default())
    door: PortraitSettings = instantiate(config.portraits)
    given = settings["planes"]
    path = planes_file(student) if given is None else Path(str(given))
    code = Normalisation.read(path) if given is not None or path.is_file() else None
    passport = Lifter.load(student).passport
    source = Source(
        name=str(settings["input"]),
        frames_per_second=float(settings["frames_per_second"]),
        loop=bool(settings["loop"]),
        background=background_of(passport),
    )
    source.check()
    return LiftSettings(
        student=student,
        source=source,
        framing=door.framing,
        hooks=build_hooks(config),
        normalisation=code,
        kernels=settings["kernels"],
        runtime=settings["runtime"],
        bfloat16=bool(settings["bfloat16"]),
        device=str(device_named(settings["device"])),
        threads=settings["threads"],
    )


def receive(config: DictConfig, settings: dict[str, Any]) -> None:
    """Watches, reports, writes the film."""
    from pipeline.streaming.receiver import Receiver
    from pipeline.streaming.shown_film import ShownFilm

    if settings["threads"] is not None:
        torch.set_num_threads(int(settings["threads"]))
    lifter = Lifter.load(student_file(settings["checkpoint"] or bundled_default()))
    lifter = lifter.to(device_named(settings["device"]))
    with_kernels(config, lambda: renderer_trial(lifter.renderer, lifter.passport))
    film: ShownFilm | None = None

    def display(number: int, pixels: np.ndarray) -> None:
        nonlocal film
        if settings["output"] is None:
            return
        if film is None:
            assert receiver.header is not None  # it came before the frame
            rate = min(max(1.0, receiver.header.frames_per_second), MOST_FRAMES)
            film = ShownFilm(Path(str(settings["output"])), rate)
        film.show(pixels)

    receiver = Receiver(lifter, ellipse(lifter.passport, settings), display)
    try:
        asyncio.run(receiver.watch(str(settings["address"]), seconds=settings["seconds"]))
    finally:  # what was shown until an error, or Ctrl-C, is a film, too
        if film is not None:
            say(f"{film.count} frames in {film.close()}")
    say(receiver.budget.table())
    if settings["report"] is not None:
        write_json(Path(str(settings["report"])), receiver.record(), indent=2)


def ellipse(passport: Passport, settings: dict[str, Any]) -> Callable[[float], Camera]:
    """Seconds → a camera on an ellipse about the frontal view."""
    yaw, pitch = math.radians(settings["yaw_deg"]), math.radians(settings["pitch_deg"])

    def camera(seconds: float) -> Camera:
        phase = 2 * math.pi * seconds / settings["round_seconds"]
        return passport.orbit(
            torch.tensor([yaw * math.sin(phase)]), torch.tensor([pitch * math.cos(phase)])
        )

    return camera


if __name__ == "__main__":
    main()
