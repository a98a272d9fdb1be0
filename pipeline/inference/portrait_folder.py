"""The folder that one lifted photograph becomes, and the names of these folders."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from pipeline.pictures import write_png
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .camera_paths import orbit_of
from .reconstructor import LiftedPortrait
from .sheet import depth_colours, film_frames, view_sheet
from .tensor_file import write_tensors
from .triplane_file import save_triplane
from .video import write_video


@dataclass(frozen=True)
class Film:
    """The turntable to film: one camera a frame."""

    cameras: Camera
    frames_per_second: int = 24


def find_photographs(path: Path) -> list[Path]:
    """The file itself, or every file of a folder in the order of names; hidden ones and subfolders are left out.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: the folder holds no file.
    """
    if not path.exists():
        raise FileNotFoundError(f"input {path} does not exist: give a picture or a folder of pictures")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise ValueError(f"input {path} holds no files: give a picture or a folder of pictures")
    return files


def folder_names(files: Sequence[Path]) -> list[str]:
    """A folder name for each file: its stem, or stem and suffix where stems collide; never the same twice.

    Characters that file systems, shells or Hydra mind become dashes. Names that differ in case only count as equal.
    """
    stems = [_plain(file.stem) for file in files]
    counts = Counter(stem.casefold() for stem in stems)
    taken: set[str] = set()
    names = []
    for file, stem in zip(files, stems, strict=True):
        wanted = stem if counts[stem.casefold()] == 1 else _plain(file.name.replace(".", "_"))
        name, number = wanted, 2
        while name.casefold() in taken or (name != stem and counts[name.casefold()]):
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^\w. -]", "-", name).strip(" .") or "photograph"


def write_portrait(folder: Path, portrait: LiftedPortrait, crop: Float[Tensor, "3 height width"], film: Film) -> None:
    """Writes everything about a lifted photograph.

    crop.png (what the student saw), sheet.png, depth.png and depth.safetensors (frontal view: distances, opacity, camera
    label), triplane.safetensors, turntable.mp4 or .gif. Missing folders are made.
    """
    camera = orbit_of(portrait.passport, [0.0], [0.0])
    frontal = portrait.render(camera)
    write_png(folder / "crop.png", crop)
    write_png(folder / "sheet.png", view_sheet(portrait, crop))
    write_png(folder / "depth.png", depth_colours(frontal)[0])
    save_depth(folder / "depth.safetensors", frontal, camera)
    save_triplane(folder / "triplane.safetensors", portrait.triplane, portrait.passport)
    write_video(folder / "turntable", film_frames(portrait, film.cameras), frames_per_second=film.frames_per_second)


def save_depth(path: Path, rendering: Rendering, camera: Camera) -> None:
    """Distances from the camera in world units, opacity, and EG3D's label of the camera, as safetensors."""
    write_tensors(path, {"depth": rendering.depth[0, 0], "opacity": rendering.opacity[0, 0], "camera": camera.label()[0]})
