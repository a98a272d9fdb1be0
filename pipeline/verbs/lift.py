"""Lift photographs to 3D heads and render them from new views.

Each photograph gets a folder OUTPUT/NAME:

  sheet.png                       new views, depth, normals
  turntable.mp4                   a film (.gif without the video extra)
  depth.png, depth.safetensors    of the frontal view
  triplane.safetensors            the planes with the teacher's passport
  crop.png, crop.json             what the student saw; where that is, its camera if known, remarks
  photograph.png                  small, with the crop drawn in it

A second face is NAME+face2, a frame of an animated picture NAME+frame00012. A file that can't be
read gets one line and stops no other. Exit status: 0 all lifted, 1 some, 2 none.

A film (.mp4, .m4v, .mov, .mkv, .webm, .avi) becomes a film: OUTPUT/NAME/film.mp4 with its sound,
frames.jsonl and film.json. Its faces are followed; film.camera.kind says from where they are seen,
and film.frames=true keeps the planes of every frame. The same command goes on after an interruption
(docs/films.md).

checkpoint= is a student: a file, a folder, bundled/NAME, or OWNER/NAME of a repository on the
Hugging Face Hub, which is downloaded once.

portraits=facemesh finds faces and their cameras, landmarks reads them from files, cascade finds
boxes; centre takes the middle of a picture, whole all of it (docs/portraits.md).

matte=true puts the teacher's background (or the grey level background=) behind the person.

hooks=[cartoon,exposure] edits the crop before it is lifted, in this order: cartoon, blur, colour,
exposure, white_balance, background, mirror, or your own (docs/portraits.md).

method=w, w_plus, pti or hybrid inverts the teacher instead (docs/inversion.md); the folder then
also holds inversion.json (losses, camera) and identity.safetensors, a student's file that renders
this one identity.

method=fused keeps, in films, what earlier frames showed (docs/fusion.md).

provenance=c2pa signs the sheet, the depth's picture and the film (`trilift provenance init` first);
label=true writes on sheet and film that they are synthetic (docs/responsibility.md).

runtime=onnx (that is onnxruntime) or openvino runs the student by another program than torch, on
the CPU; runtime_file= is its encoder as `trilift export network=encoder` wrote it; bfloat16=true
takes half of the time where the processor has it (docs/speed.md).

Names with spaces, brackets or commas need quotes within quotes: 'input="my photo (1).jpg"'.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.hooks import build_hooks
from pipeline.build.numerics import with_kernels
from pipeline.build.signing import build_signatory
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import turntable
from pipeline.inference.device import device_named
from pipeline.inference.film import NAME as FILM_FILE
from pipeline.inference.film_files import FilmLifter
from pipeline.inference.portrait_folder import Film, write_portrait
from pipeline.inference.pretrained import bundled_default, student_file
from pipeline.inference.runtimes import TORCH
from pipeline.inversion.fused import fuser_file
from pipeline.inversion.method import Method, lift_film_by
from pipeline.inversion.models import Models
from pipeline.inversion.portrait import InvertedPortrait
from pipeline.lifter import Lifter
from pipeline.manifests.signatory import Signatory
from pipeline.pictures import write_png
from pipeline.portraits.crop import Crop
from pipeline.portraits.files import find_photographs, folder_names
from pipeline.portraits.film import is_film
from pipeline.portraits.framing import GivenSquare
from pipeline.portraits.front_door import (
    Portrait,
    PortraitSettings,
    portraits_of,
)
from pipeline.runs.files import sha256_of_file, write_json
from pipeline.runs.kernel_choice import Trial, renderer_trial, teacher_trial
from teachers.checkpoint import discriminator_of
from teachers.passport import Passport

FORWARD = ("pipeline.inversion.student.Student", "pipeline.inversion.fused.Fused")
"""Methods of one forward pass."""

VISIBLE_LABEL = "synthetic: made by trilift"

OF_INVERSIONS = ("identity.safetensors", "inversion.json")
"""Files that only an inversion writes."""

Signer = Callable[[Sequence[Path], str | None], None]
"""Signs pictures and films that were made from a file with this sha256."""

FROM_STUDENT = ("student", "fused", "hybrid")
"""Methods that render the student's planes."""


@verb("lift")
def main(config: DictConfig) -> None:
    """Loads what the method needs once, lifts file after file."""
    settings = to_plain(config)
    source = Path(str(settings["input"]))
    files = find_photographs(source)  # a missing input is an error before anything is loaded
    door: PortraitSettings = instantiate(config.portraits)
    if settings["crop"] is not None:
        door = replace(door, framing=GivenSquare(Crop.of(settings["crop"])))
    require_forward(settings)
    door = replace(door, matte=bool(settings["matte"]), hooks=build_hooks(config))
    models = models_of(config)
    method: Method = instantiate(config.method, models=models)
    with_kernels(config, lambda: lift_trial(method, models))
    film = Film(
        cameras=turntable(method.passport, **settings["turntable"]),
        frames_per_second=settings["frames_per_second"],
        label=VISIBLE_LABEL if settings["label"] else None,
    )
    signed = signer(config, method, door)
    output = Path(str(settings["output"]))
    output.mkdir(parents=True, exist_ok=True)
    for line in (
        f"{method.title}, of teacher {method.passport.name!r}; licence: {method.passport.licence}",
        *method.notes,
    ):
        say(line)
    background = background_level(settings["background"], method.passport)
    films = FilmLifter(
        door=door,
        settings=instantiate(config.film),
        lift=lambda: lift_film_by(method),
        passport=method.passport,
        image_size=method.image_size,
        background=background,
        decisive=decisive(config, settings, method),
        label=film.label,
        signed=film_signer(signed),
    )
    lifted: list[bool] = []
    for file, name in zip(files, folder_names(files), strict=True):
        if is_film(file):
            lifted.append(lift_one_film(films, file, name, output))
            continue
        given = portraits_of(file, name, door, resolution=method.image_size, background=background)
        lifted += [
            lift_file(method, portrait, output / portrait.name, film, signed) for portrait in given
        ]
    if not all(lifted):
        raise SystemExit(1 if any(lifted) else 2)


def require_forward(settings: dict[str, Any]) -> None:
    """Raises ValueError if a method that optimises is told how to run a student's encoder."""
    given = [
        f"{name}={'true' if settings[name] is True else settings[name]}"
        for name, usual in (("runtime", TORCH), ("runtime_file", None), ("bfloat16", False))
        if settings[name] != usual
    ]
    if given and settings["method"]["_target_"] not in FORWARD:
        raise ValueError(
            f"{' and '.join(given)}: how a student's encoder is run, and this method optimises: use"
            f" method=student, or leave {' and '.join(given)} out"
        )


def decisive(config: DictConfig, settings: dict[str, Any], method: Method) -> dict[str, Any]:
    """What decides how a film looks when it is done: with another value it is another film."""
    is_elsewhere = ("input", "output", "signing", "trust", "paths")
    kept = {key: value for key, value in settings.items() if key not in is_elsewhere}
    files: dict[str, Any] = {"student": None}
    if method.name in FROM_STUDENT:
        student = student_file(config.checkpoint or bundled_default())
        files["student"] = sha256_of_file(student)
    if settings["method"].get("fuser") is not None:
        files["fuser"] = sha256_of_file(fuser_file(settings["method"]["fuser"]))
    if settings["method"]["_target_"] not in FORWARD:
        files |= {"teacher": method.passport.source_hash, "notes": list(method.notes)}
    files |= {
        f"hooks.{name}.{key}": sha256_of_file(Path(value))
        for name, hook in settings.get("hooks", {}).items()
        for key, value in hook.items()
        if isinstance(value, str) and Path(value).is_file()
    }
    return {"settings": kept, **files}


def lift_one_film(films: FilmLifter, file: Path, name: str, output: Path) -> bool:
    """Lifts one film. One that can't be read gets a line on stderr.

    Returns:
        whether it was lifted.
    """
    started = time.perf_counter()
    try:
        made = films(file, name, output)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{file}: {' '.join(str(error).split())}\n")
        return False
    for folder, note in made:
        took = f"lifted in {time.perf_counter() - started:.1f} s, see {folder / 'film.mp4'}"
        say("; ".join(filter(None, [f"{file}: {took}", note])))
    return True


def background_level(given: Any, passport: Passport) -> float:
    """The grey level behind people and transparent pixels: as given, or the teacher's.

    Raises:
        ValueError: it isn't in [0, 1].
    """
    if given is None:
        return background_of(passport)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ValueError(f"background is {given!r}: give a grey level in [0, 1], or null")
    return float(given)


def models_of(config: DictConfig) -> Models:
    """The networks that a method may use, each loaded at its first use."""
    path = config.teacher.get("path")
    return Models(
        teacher=lambda: instantiate(config.teacher),
        student=lambda: Lifter.load(student_file(config.checkpoint or bundled_default())),
        discriminator=lambda passport: discriminator_of(passport, path),
        weights_folder=config.paths.weights,
        device=device_named(config.device),
        runtime=config.get("runtime", TORCH),
        runtime_file=config.get("runtime_file"),
        bfloat16=bool(config.get("bfloat16", False)),
    )


def lift_trial(method: Method, models: Models) -> Trial:
    """The work that decides which kernels a method uses: the student's views, or the teacher's
    images and their gradients.
    """
    if method.name in FROM_STUDENT:
        return renderer_trial(models.student.renderer, method.passport)
    return teacher_trial(models.teacher, gradients=True)


def signatory_of(config: DictConfig, method: Method) -> Signatory | None:
    """What signs the results of a method, as the settings ask for it (`build_signatory`)."""
    has_student = method.name in FROM_STUDENT
    student = student_file(config.checkpoint or bundled_default()) if has_student else None
    settings = {"provenance": config.provenance, "signing": to_plain(config.signing)}
    return build_signatory(settings, method.passport, method.name, student)


def lift_file(
    method: Method, given: Portrait, folder: Path, film: Film, signed: Signer | None = None
) -> bool:
    """Lifts one photograph into its folder. One that can't be read gets a line on stderr.

    Returns:
        whether it was lifted.
    """
    if given.image is None:
        sys.stderr.write(f"{given.source}: {given.note}\n")
        return False
    started = time.perf_counter()
    portrait = method.lift(given.image[None], given.camera)
    if portrait.triplane.planes.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    generated = write_portrait(folder, portrait, given.image, film, given.hooks)
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
            **({"hooks": list(given.hooks)} if given.hooks else {}),
        }
        write_json(folder / "inversion.json", report, indent=None)
    else:  # an earlier inversion's renderer would draw the new planes
        for name in OF_INVERSIONS:
            (folder / name).unlink(missing_ok=True)
    if signed is not None:
        signed(generated, given.source_sha256)
    took = (
        f"lifted in {1000 * seconds:.0f} ms"
        if method.kind == "student"
        else f"inverted in {seconds:.1f} s"
    )
    say("; ".join(filter(None, [f"{given.source}: {took}, see {folder}", given.note])))
    return True


def signer(config: DictConfig, method: Method, door: PortraitSettings) -> Signer | None:
    """What signs the results of a photograph or a film, last; None: nothing does."""
    signatory = signatory_of(config, method)
    if signatory is None:
        return None

    def sign_files(files: Sequence[Path], source_sha256: str | None) -> None:
        signatory.sign(files, photograph_sha256=source_sha256, hooks=list(door.hooks.hooks))

    return sign_files


def film_signer(signed: Signer | None) -> Callable[[Path, str | None], None] | None:
    """The same for the folder of a film: signs the film alone, whatever else lies there."""
    if signed is None:
        return None
    return lambda folder, source_sha256: signed([folder / FILM_FILE], source_sha256)


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
