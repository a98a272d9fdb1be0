"""Photographs of the demo's page, and what students make of them: heads that can be dragged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from pipeline.inference.background import background_of
from pipeline.inference.photo import photo_tensor
from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.inference.sheet import view_sheet
from pipeline.inference.views import Views
from pipeline.pictures import to_uint8, write_png
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops
from teachers.rendering.renderer import TriplaneRenderer

YAWS_DEG = tuple(range(-40, 41, 5))
PITCHES_DEG = (16, 0, -16)
"""Of the views of an orbit; the first row looks from above."""


@dataclass(frozen=True)
class Lift:
    """One student's head of a photograph.

    Attributes:
        student: for the page.
        crop: what it saw.
        orbit: views from `YAWS_DEG` × `PITCHES_DEG` in one image.
        sheet: new views, depth and normals.
    """

    student: str
    crop: Path
    orbit: Path
    sheet: Path


@dataclass(frozen=True)
class Photograph:
    """A photograph that students lift.

    Attributes:
        name: of its folder.
        title: for the page.
        note: what it is, and what to expect.
        source: an image in [-1, 1], a square as students see it; or a file, in which a face is
            looked for.
        is_outside: nothing like it was in the training.
        lifts: in the order of the page.
    """

    name: str
    title: str
    note: str
    source: Float[Tensor, "3 side side"] | Path
    is_outside: bool = False
    lifts: list[Lift] = field(default_factory=list)


def lift_all(
    student: str,
    reconstructor: Reconstructor,
    photographs: Sequence[Photograph],
    folder: Path,
    *,
    side: int,
) -> None:
    """Lifts photographs: FOLDER/PHOTOGRAPH/STUDENT gets crop.png, orbit.jpg and sheet.png.

    Args:
        student: a name for folders and the page.
        reconstructor: the student.
        photographs: get one more lift each.
        folder: of all of them.
        side: rays along a side of an orbit's views, at least; planes hold more than 64² images
            show.
    """
    for photograph in photographs:
        crop = _cut(photograph, reconstructor)
        portrait = reconstructor.lift(crop)
        place = folder / photograph.name / student.replace("/", "_").replace(" ", "_")
        lift = Lift(student, place / "crop.png", place / "orbit.jpg", place / "sheet.png")
        write_png(lift.crop, crop[0])
        write_png(lift.sheet, view_sheet(Views(portrait), crop[0]))
        Image.fromarray(orbit_views(portrait, side)).save(lift.orbit, quality=88)
        photograph.lifts.append(lift)


@torch.no_grad()
def orbit_views(portrait: LiftedPortrait, side: int) -> UInt8[np.ndarray, "height width 3"]:
    """Views from all angles of the orbit: a row for each pitch, a column for each yaw.

    The edge of each is background, so that a browser that scales them shows no line of the next.
    """
    pixels = np.stack([to_uint8(view) for view in _views(portrait, side)])
    level = round(255 * background_of(portrait.passport))
    pixels[:, [0, -1]] = pixels[:, :, [0, -1]] = level
    return rearrange(
        pixels,
        "(row column) height width colour -> (row height) (column width) colour",
        row=len(PITCHES_DEG),
    )


def _views(portrait: LiftedPortrait, side: int) -> Iterator[Float[Tensor, "3 height width"]]:
    renderer, triplane = portrait.lifter.renderer, portrait.triplane
    finer = None
    if isinstance(renderer, TriplaneRenderer) and renderer.super_resolution is None:
        finer = renderer.changed(resolution=max(renderer.resolution, side))
    for pitch in PITCHES_DEG:
        for yaw in YAWS_DEG:
            camera = portrait.orbit(yaw_deg=yaw, pitch_deg=pitch).to(triplane.planes)
            view = portrait.render(camera) if finer is None else finer(triplane, camera)
            yield view.image[0]


def _cut(photograph: Photograph, reconstructor: Reconstructor) -> Float[Tensor, "1 3 side side"]:
    """The square as the student sees it."""
    source, framing = photograph.source, None
    if isinstance(source, Path):
        framing = FaceCrops(FaceMeshDetector())
    return photo_tensor(
        source if isinstance(source, Path) else Image.fromarray(to_uint8(source)),
        resolution=reconstructor.image_size,
        background=background_of(reconstructor.lifter.passport),
        framing=framing,
    )
