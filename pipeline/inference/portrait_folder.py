"""The folder that one lifted photograph becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from pipeline.pictures import labelled, to_uint8, write_png
from pipeline.runs.tensor_file import write_tensors
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .reconstructor import LiftedPortrait
from .sheet import depth_colours, film_frames, view_sheet
from .triplane_file import save_triplane
from .video import write_video
from .views import Views


@dataclass(frozen=True)
class Film:
    """The turntable to film: one camera a frame; `label` is written on its frames and the sheet."""

    cameras: Camera
    frames_per_second: int | float = 24
    label: str | None = None


def write_portrait(
    folder: Path,
    portrait: LiftedPortrait,
    crop: Float[Tensor, "3 height width"],
    film: Film,
    hooks: Sequence[dict[str, Any]] = (),
) -> list[Path]:
    """Writes everything about a lifted photograph; each camera is rendered once.

    crop.png (what the student saw), sheet.png, depth.png and depth.safetensors (frontal view:
    distances, opacity, camera label), triplane.safetensors, turntable.mp4 or .gif. Missing folders
    are made.

    Returns:
        the pictures and the film that show the head: what a manifest may call generated.
    """
    views = Views(portrait)
    camera = portrait.orbit()
    frontal = views(camera)
    write_png(folder / "crop.png", crop)
    sheet, depth = folder / "sheet.png", folder / "depth.png"
    write_png(sheet, labelled(to_uint8(view_sheet(views, crop)), film.label))
    write_png(depth, depth_colours(frontal)[0])
    save_depth(folder / "depth.safetensors", frontal, camera)
    save_triplane(folder / "triplane.safetensors", portrait.triplane, portrait.passport, hooks)
    turntable = write_video(
        folder / "turntable",
        (labelled(frame, film.label) for frame in film_frames(views, film.cameras)),
        frames_per_second=film.frames_per_second,
    )
    return [sheet, depth, turntable]


def save_depth(path: Path, rendering: Rendering, camera: Camera) -> None:
    """Distances from the camera in world units, opacity, and EG3D's label of the camera, as
    safetensors.
    """
    write_tensors(
        path,
        {
            "depth": rendering.depth[0, 0],
            "opacity": rendering.opacity[0, 0],
            "camera": camera.label()[0],
        },
    )
