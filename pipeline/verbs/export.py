"""Write lifted heads as files of other programs, or a student's networks for other runtimes.

input= is a photograph, a film or a folder of them, which are lifted first (the settings are those
of lift); or triplane.safetensors, identity.safetensors or the folder that lift wrote of one
photograph. checkpoint= then is the student whose renderer draws the planes. sample=7 in place of
input is identity 7 of teacher= (and seed=, truncation=), without a student.

Each identity gets a folder OUTPUT/NAME with, for each of format= (names with commas):

  glb     head.glb: binary glTF, metres, unlit, for browsers, Blender, model viewers
  ply     head.ply: world units, colours of the vertices
  obj     head.obj, head.mtl: the same as text
  usdz    head.usdz: for Apple's programs and USD
  splat_ply
          head_splats.ply: Gaussian splats of the surface, metres, y down
  spz     head_splats.spz: the same in a sixth of the bytes, y up
  quilt   head_qs8x6a0.75.png: views for a Looking Glass display (displays.quilt=)
  stereo  head_sbs.png, head_anaglyph.png: for headsets, and for red and cyan glasses

mesh.texture=1024 gives glb, obj and usdz a picture (head.png beside the OBJ) in place of colours of
the vertices; mesh.faces=5000 makes them light. y is up, the face looks along +z. label=true
writes on quilts and stereo pictures that they are synthetic. docs/export.md
says how the surface, its colours and its scale are chosen. Needs pip install 'trilift[export]'.

network=encoder, decoder or renderer writes that network of checkpoint= to OUTPUT instead, with its
weights, its metadata and a comparison with torch (NETWORK.json, NETWORK.png), in each of format=:

  onnx      NETWORK.onnx; needs pip install 'trilift[onnx]'
  openvino  NETWORK.xml, NETWORK.bin; needs pip install 'trilift[openvino]'
  torch     NETWORK.pt2, for torch without trilift

An encoder takes images, a decoder planes and points, a renderer planes and a camera. lift runs an
encoder by runtime=onnx runtime_file=OUTPUT/encoder.onnx.
"""

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.hooks import build_hooks
from pipeline.build.numerics import with_kernels
from pipeline.build.signing import build_signatory
from pipeline.exporters.display_files import DisplaySettings
from pipeline.exporters.formats import FileSettings, HeadFiles, chosen_formats
from pipeline.exporters.head_mesh import MeshSettings
from pipeline.exporters.mesh import METRES_PER_UNIT
from pipeline.exporters.networks.export import Settings, export_network, puppets
from pipeline.exporters.networks.files import chosen_network_formats
from pipeline.exporters.sampled import sampled_identity
from pipeline.exporters.splats import SplatSettings
from pipeline.exporters.stored import (
    MadeFrom,
    read_stored,
    stored_identity,
    stored_name,
    stored_origin,
)
from pipeline.inference.device import device_named
from pipeline.inference.pretrained import bundled_default, bundled_for, student_file
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.inversion.method import FilmMethod, Method
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.manifests.signatory import Signatory
from pipeline.manifests.signing import drop_sidecars
from pipeline.portraits.files import find_photographs
from pipeline.portraits.film import is_film
from pipeline.portraits.front_door import PortraitSettings, read_portraits
from pipeline.runs.kernel_choice import renderer_trial
from pipeline.verbs.lift import (
    VISIBLE_LABEL,
    background_level,
    lift_trial,
    models_of,
    require_forward,
    say,
    signatory_of,
)
from teachers.passport import Passport


@dataclass(frozen=True)
class Writer:
    """Writes and signs the files of one identity after another.

    Attributes:
        output: each identity gets a folder in it.
        formats: of `HeadFiles.write`.
        kinds: how files are made.
    """

    output: Path
    formats: tuple[str, ...]
    kinds: FileSettings

    def write(
        self,
        portrait: LiftedPortrait,
        name: str,
        signatory: Signatory | None,
        made_from: MadeFrom,
        note: str = "",
    ) -> None:
        """Writes OUTPUT/NAME, and says so.

        Raises:
            ValueError: the field has no surface, or c2pa refuses a file.
        """
        started = time.perf_counter()
        files = HeadFiles(portrait, self.kinds).write(self.output / name, self.formats)
        if signatory is not None:
            signatory.sign(files, **asdict(made_from))
        seconds = time.perf_counter() - started
        say(f"{', '.join(str(file) for file in files)} ({seconds:.1f} s)")
        if note:
            say(note)


@verb("export")
def main(config: DictConfig) -> None:
    """Reads or lifts identity after identity, and writes its files; or writes a network."""
    if config.network is not None:
        if not write_network(config):
            raise SystemExit(1)
        return
    settings = to_plain(config)
    formats, kinds = chosen_formats(settings["format"]), kinds_of(settings)
    source = source_of(settings)
    writer = Writer(Path(str(settings["output"])), formats, kinds)
    models = models_of(config)
    if source is None:
        write_sample(config, models, writer)
    elif (file := stored_identity(source)) is not None:
        write_stored(file, config, models, writer)
    else:
        write_photographs(source, config, models, writer)


def kinds_of(settings: dict[str, Any]) -> FileSettings:
    """How the files of a head are made.

    Raises:
        ValueError: a setting is out of range.
    """
    scale = settings["metres_per_unit"]
    metres = METRES_PER_UNIT if scale is None else float(scale)
    label = VISIBLE_LABEL if settings["label"] else None
    return FileSettings(
        MeshSettings(**settings["mesh"], metres_per_unit=metres),
        SplatSettings(**settings["splats"]),
        DisplaySettings(**settings["displays"], label=label),
    )


def write_sample(config: DictConfig, models: Models, writer: Writer) -> None:
    """Writes an identity that the teacher invents."""
    settings = to_plain(config)
    sampled = sampled_identity(
        models.teacher,
        settings["sample"],
        seed=settings["seed"],
        truncation=settings["truncation"],
    )
    with_kernels(config, lambda: renderer_trial(sampled.lifter.renderer, sampled.passport))
    say(f"licence: {sampled.passport.licence}")
    signatory = build_signatory(settings, sampled.passport, "export")
    writer.write(sampled, f"sample{settings['sample']}", signatory, MadeFrom())


def write_stored(file: Path, config: DictConfig, models: Models, writer: Writer) -> None:
    """Writes an identity that was lifted before."""

    def student(passport: Passport) -> Lifter:
        return bundled_for(passport) if config.checkpoint is None else models.student

    portrait = read_stored(file, student, device_named(config.device))
    lifter = portrait.lifter
    with_kernels(config, lambda: renderer_trial(lifter.renderer, lifter.passport))
    say(f"licence: {lifter.passport.licence}")
    signatory = build_signatory(to_plain(config), lifter.passport, "export")
    writer.write(portrait, stored_name(file), signatory, stored_origin(file))


def write_photographs(source: Path, config: DictConfig, models: Models, writer: Writer) -> None:
    """Lifts and writes photograph after photograph; one that can't be gets a line on stderr.

    Raises:
        SystemExit: 1, some weren't written; 2, none was.
    """
    door: PortraitSettings = replace(
        instantiate(config.portraits), matte=bool(config.matte), hooks=build_hooks(config)
    )
    require_forward(to_plain(config))
    method: Method = instantiate(config.method, models=models)
    if isinstance(method, FilmMethod) and any(map(is_film, find_photographs(source))):
        raise ValueError(
            f"{source} is or holds a film, of which single frames are exported: {method.title} has"
            " no memory of them, use method=student"
        )
    with_kernels(config, lambda: lift_trial(method, models))
    say(f"{method.title}, of teacher {method.passport.name!r}; licence: {method.passport.licence}")
    signatory = signatory_of(config, method)
    background = background_level(config.background, method.passport)
    written = []
    for given in read_portraits(source, door, resolution=method.image_size, background=background):
        try:
            if given.image is None:
                raise ValueError(given.note)
            portrait = method.lift(given.image[None], given.camera)
            hooks = tuple(hook["name"] for hook in given.hooks)
            made_from = MadeFrom(given.source_sha256, hooks=hooks)
            writer.write(portrait, given.name, signatory, made_from, given.note)
            written.append(True)
        except ValueError as error:
            sys.stderr.write(f"{given.source}: {error}\n")
            written.append(False)
    if not all(written):
        raise SystemExit(1 if any(written) else 2)


def source_of(settings: dict[str, Any]) -> Path | None:
    """The file or folder of `input`; None: the teacher samples.

    Raises:
        ValueError: both or neither of `input` and `sample` are given.
        FileNotFoundError: there is no such file.
    """
    given, number = settings["input"], settings["sample"]
    if (given is None) == (number is None):
        raise ValueError(
            f"input is {given!r} and sample is {number!r}: give one of them, input= a photograph or"
            " what lift wrote, or sample= the number of an identity of the teacher"
        )
    if given is None:
        return None
    source = Path(str(given))
    find_photographs(source)  # a missing input is an error before anything is loaded
    return source


def write_network(config: DictConfig) -> bool:
    """Writes a network of the student; whether it is within the limits of the comparison."""
    settings = to_plain(config)
    formats = chosen_network_formats(settings["format"])
    student = student_file(settings["checkpoint"] or bundled_default())
    lifter = Lifter.load(student)
    count, batches = settings["comparison"]["inputs"], settings["comparison"]["batches"]
    side = lifter.image_size
    if settings["input"] is not None:
        images = _photographs(config, settings, lifter, side, count)
    else:
        images = puppets(lifter, count, side)
    say(f"licence: {lifter.passport.licence}")
    signatory = build_signatory(settings, lifter.passport, "export", student, is_data=True)
    chosen = Settings(settings["network"], formats, tuple(batches))
    output = Path(str(settings["output"]))
    written = export_network(lifter, chosen, images, output, say)
    drop_sidecars(written.files)
    if signatory is not None:
        signatory.sign(written.files)
    say(f"see {output}")
    return written.is_within


def _photographs(
    config: DictConfig, settings: dict[str, Any], lifter: Lifter, side: int, count: int
) -> torch.Tensor:
    """The first faces of input=, as the encoder takes them."""
    door: PortraitSettings = replace(instantiate(config.portraits), matte=bool(settings["matte"]))
    background = background_level(settings["background"], lifter.passport)
    given = read_portraits(
        Path(str(settings["input"])), door, resolution=side, background=background
    )
    found = [portrait.image for portrait in given if portrait.image is not None][:count]
    if not found:
        raise ValueError(
            f"{settings['input']} has no photograph to compare the network with: give others, or"
            " leave input= out"
        )
    return torch.stack(found)


if __name__ == "__main__":
    main()
