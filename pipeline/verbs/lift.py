"""Lift photographs to 3D heads and render them from new views.

Writes for each photograph a folder OUTPUT/NAME with sheet.png (new views), depth.png and
depth.safetensors, turntable.mp4 (.gif without the video extra), triplane.safetensors, crop.png
(what the student saw), crop.json (where that is, its camera if known, remarks) and photograph.png
(small, with the crop drawn in it). A frame of a film is NAME+frame00012, a second face NAME+face2.
A file that is no good gets one line and stops no other. Exit status: 0 all lifted, 1 some, 2 none.

portraits=centre takes the middle of a picture, whole all of it; cascade, landmarks and mediapipe
find faces (docs/portraits.md).

method=w, w_plus, pti or hybrid answers by optimisation instead (docs/inversion.md); the folder then
also holds inversion.json (losses, camera) and identity.safetensors, a checkpoint that draws this
identity as it was tuned.

Names with spaces, brackets or commas need quotes within quotes: 'input="my photo (1).jpg"'.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import turntable
from pipeline.inference.device import device_named
from pipeline.inference.portrait_folder import Film, write_portrait
from pipeline.inversion.method import Method
from pipeline.inversion.models import Models
from pipeline.inversion.portrait import InvertedPortrait
from pipeline.lifter import Lifter, student_file
from pipeline.pictures import write_png
from pipeline.portraits.crop import Crop
from pipeline.portraits.files import find_photographs
from pipeline.portraits.framing import GivenSquare
from pipeline.portraits.front_door import Portrait, PortraitSettings, read_portraits
from pipeline.runs.files import write_json
from teachers.checkpoint import load_discriminator

BUNDLED = student_file("bundled/puppets_tiny.safetensors")


@verb("lift")
def main(config: DictConfig) -> None:
    """Loads what the method needs once, lifts file after file."""
    settings = to_plain(config)
    source = Path(str(settings["input"]))
    find_photographs(source)  # nothing there is said before anything is loaded
    door: PortraitSettings = instantiate(config.portraits)
    if settings["crop"] is not None:
        door = replace(door, framing=GivenSquare(Crop.of(settings["crop"])))
    method: Method = instantiate(config.method, models=models_of(config))
    film = Film(
        cameras=turntable(method.passport, **settings["turntable"]),
        frames_per_second=settings["frames_per_second"],
    )
    output = Path(str(settings["output"]))
    output.mkdir(parents=True, exist_ok=True)
    for line in (
        f"{method.title}, of teacher {method.passport.name!r}; licence: {method.passport.licence}",
        *method.notes,
    ):
        _say(line)
    given = read_portraits(
        source, door, resolution=method.image_size, background=background_of(method.passport)
    )
    lifted = [lift_file(method, portrait, output / portrait.name, film) for portrait in given]
    if not all(lifted):
        raise SystemExit(1 if any(lifted) else 2)


def models_of(config: DictConfig) -> Models:
    """What a method may use: each loaded when a method asks for it."""
    path = config.teacher.get("path")
    return Models(
        teacher=lambda: instantiate(config.teacher),
        student=lambda: Lifter.load(checkpoint_path(config.checkpoint)),
        discriminator=None if path is None else lambda: load_discriminator(path),
        weights_folder=config.paths.weights,
        device=device_named(config.device),
    )


def lift_file(method: Method, given: Portrait, folder: Path, film: Film) -> bool:
    """Lifts one photograph into its folder; a bad one gets a line on stderr. Returns whether it was
    lifted.
    """
    if given.image is None:
        sys.stderr.write(f"{given.source}: {given.note}\n")
        return False
    started = time.perf_counter()
    portrait = method.lift(given.image[None], given.camera)
    if portrait.triplane.planes.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    write_portrait(folder, portrait, given.image, film)
    write_json(folder / "crop.json", given.record(), indent=None)
    if given.overview is not None:
        write_png(folder / "photograph.png", given.overview)
    if isinstance(portrait, InvertedPortrait):
        portrait.lifter.save(folder / "identity.safetensors")
        report = {
            "method": method.name,
            "seconds": round(seconds, 3),
            **portrait.report(),
            "about": list(method.notes),
        }
        write_json(folder / "inversion.json", report, indent=None)
    took = (
        f"lifted in {1000 * seconds:.0f} ms"
        if method.kind == "student"
        else f"found by optimisation in {seconds:.1f} s"
    )
    _say("; ".join(filter(None, [f"{given.source}: {took}, see {folder}", given.note])))
    return True


def checkpoint_path(given: str | None) -> Path:
    """The student that was named, or the bundled one; ValueError if none was named and none is
    bundled.
    """
    if given is not None:
        return Path(given)
    if not BUNDLED.is_file():
        raise ValueError(
            "no student is bundled with this version: give checkpoint=FILE.safetensors; `make demo`"
            " or `trilift distill` makes one"
        )
    return BUNDLED


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
