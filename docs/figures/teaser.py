"""Draws docs/teaser.png: test people, lifted by a bundled student and by its refinement.

Run from the repository's root: `python docs/figures/teaser.py` (a minute, no GPU), or
`python docs/figures/teaser.py heads puppets`. The identities are of the test splits, which neither
the teachers nor the students were trained on.
"""

import math
import sys
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.build.configuration import compose, instantiate
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.method import Method
from pipeline.pictures import normal_picture, tile, write_png
from pipeline.verbs.lift import models_of
from pipeline.worlds.opening import open_world
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.passport import Passport
from teachers.rendering.camera import Camera

OUTPUT = Path(__file__).resolve().parents[1] / "teaser.png"
IDENTITIES = {"puppets": {6: 8, 12: 15}, "heads": {3: -20, 10: 15}}
"""Number in the test split: yaw of the input in degrees. Chosen among the first sixteen."""
YAWS_DEG = (-40, -20, 0, 20, 40)
NORMALS_YAW_DEG = 20
CELL = 144


def main() -> None:
    """Writes the picture of the worlds that are given; of puppets, if none is."""
    rows, names = [], []
    for world in sys.argv[1:] or ["puppets"]:
        methods = {"student": build("student", world), "refined": build("hybrid", world)}
        for item in IDENTITIES[world].items():
            rows += [row_of(method, world, *item) for method in methods.values()]
            names += list(methods)
    labels = ["input", *(f"yaw {yaw:+d} deg" if yaw else "frontal" for yaw in YAWS_DEG), "normals"]
    write_png(OUTPUT, tile(rows, 4, row_labels=names, column_labels=labels))


def build(name: str, world: str) -> Method:
    """A method of `trilift lift` with its default settings and a world's bundled networks."""
    networks = (f"checkpoint=bundled/{world}", f"teacher={world}")
    settings = compose("lift", "input=photo.jpg", "output=out", f"method={name}", *networks)
    method: Method = instantiate(settings.method, models=models_of(settings))
    return method


def row_of(method: Method, world: str, number: int, yaw_deg: float) -> list[Tensor]:
    """Input, new views, normals."""
    camera = orbit_of(method.passport, [math.radians(yaw_deg)], [0.0])
    image = photograph_of(world, number, camera, method.passport)
    face = method.lift(image, camera)
    views = face.render(face.orbit(yaw_deg=YAWS_DEG)).image
    aside = face.orbit(yaw_deg=NORMALS_YAW_DEG)
    side = face.render(aside)
    normals = normal_picture(side.depth, aside.to(side.depth)).nan_to_num(1.0)
    normals = torch.where(side.opacity > 0.5, normals, torch.ones_like(normals))
    return [enlarged(cell) for cell in (image[0], *views, normals[0])]


def photograph_of(
    world: str, number: int, camera: Camera, passport: Passport
) -> Float[Tensor, "1 3 size size"]:
    """One test identity as the teacher's camera would see it."""
    views = open_world(world, supersampling=2).render(
        WorldSeeds.of(Split.TEST, [number]), camera, passport.image_resolution
    )
    return views.image(background_of(passport)).clamp(-1, 1)


def enlarged(image: Float[Tensor, "3 size size"]) -> Float[Tensor, "3 cell cell"]:
    """The image at the figure's size."""
    return F.interpolate(image[None], (CELL, CELL), mode="bicubic")[0].clamp(-1, 1)


if __name__ == "__main__":
    main()
