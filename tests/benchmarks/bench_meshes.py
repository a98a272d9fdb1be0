"""Exported meshes beside the field that they came from and the world's own surface, as
docs/export.md has them: `python -m tests.benchmarks.bench_meshes` (half an hour, no GPU).

The bundled student lifts one frontal picture of each person. The level of the surface is chosen on
people of the training split; all figures that count are of the test split. With `world=heads` (and
the extra `heads`) the student, which knows only puppets, lifts heads.
"""

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from pipeline.exporters.field import Field
from pipeline.exporters.head_mesh import MeshSettings, head_mesh, under_a_picture
from pipeline.exporters.mesh import Mesh
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.lifter import Lifter
from pipeline.worlds.opening import open_world
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import choose_kernels
from teachers.rendering.camera import Camera
from tests.pipeline.exporters.drawing import psnr, rasterised

RESOLUTION, SIDE, YAW_DEG = 160, 128, [-34, -17, 0, 17, 34]
WITHIN = (10, 15, 20, 25, 30, 50)
"""The surface is where a box's side over this would be half opaque."""
VARIANTS = {
    "all faces, colours of the vertices": {},
    "20,000 faces": {"faces": 20_000},
    "5,000 faces": {"faces": 5_000},
    "5,000 faces, texture of 1024": {"faces": 5_000, "texture": 1024},
}


@dataclass(frozen=True)
class Score:
    """Of one mesh; distances in 1/1000 of a world unit.

    Attributes:
        psnr: mean over the views, dB, against the rendered field.
        worst_psnr: of the worst view.
        silhouette: share of pixels covered by only one of mesh and field, %.
        chamfer: mean of both directions between the surfaces that the views see.
        normal_deg: mean angle at the nearest vertex.
        depth: median of mesh minus truth where both are; positive: behind it.
    """

    psnr: float
    worst_psnr: float
    silhouette: float
    chamfer: float
    normal_deg: float
    depth: float


class Person:
    """One lifted person with the truth.

    Args:
        reconstructor: of the student.
        world: renders the truth.
        seeds: of one identity.
    """

    def __init__(self, reconstructor: Reconstructor, world: Any, seeds: WorldSeeds) -> None:
        front = reconstructor.lifter.passport.orbit(torch.zeros(1))
        picture = world.render(seeds, front, reconstructor.image_size).image(1.0)
        self.head: LiftedPortrait = reconstructor.lift(picture)
        self.field = Field(self.head)
        cameras = self.head.orbit(yaw_deg=YAW_DEG)
        self.cameras = [cameras[i : i + 1] for i in range(len(cameras))]
        renderer = self.head.lifter.renderer.changed(resolution=SIDE)
        self.views, self.solid, self.truth = [], [], []
        for camera in self.cameras:
            with torch.no_grad():
                drawn = renderer(self.head.triplane, camera)
            self.views.append(np.moveaxis((drawn.image[0].numpy() + 1) / 2, 0, 2))
            self.solid.append(drawn.opacity[0, 0].numpy() > 0.5)
            true = world.render(seeds, camera, SIDE)
            is_hit = true.opacity[0, 0].numpy() > 0.999
            self.truth.append((true.depth[0, 0].numpy(), true.normal[0].numpy(), is_hit))

    def score(self, mesh: Mesh) -> Score:
        """Of a mesh of this person."""
        scores, silhouettes, depths = [], [], []
        own, true, normals = [], [], []
        for camera, view, solid, (depth, normal, is_hit) in zip(
            self.cameras, self.views, self.solid, self.truth, strict=True
        ):
            picture, hit, distance = rasterised(mesh, camera, SIDE)
            scores.append(psnr(picture, view))
            silhouettes.append((hit != solid).mean())
            both = hit & is_hit
            depths.append((distance - depth)[both])
            own.append(points_at(camera, distance)[hit])
            true.append(points_at(camera, depth)[is_hit])
            normals.append(normal[:, is_hit].T)
        mine, theirs = np.concatenate(own), np.concatenate(true)
        there = cKDTree(mine).query(theirs)[0].mean()
        back = cKDTree(theirs).query(mine)[0].mean()
        nearest = cKDTree(mesh.vertices).query(theirs)[1]
        cosines = (mesh.normals()[nearest] * np.concatenate(normals)).sum(1).clip(-1, 1)
        return Score(
            psnr=float(np.mean(scores)),
            worst_psnr=float(min(scores)),
            silhouette=100 * float(np.mean(silhouettes)),
            chamfer=1000 * float(there + back) / 2,
            normal_deg=float(np.degrees(np.arccos(cosines)).mean()),
            depth=1000 * float(np.median(np.concatenate(depths))),
        )


def points_at(camera: Camera, distance: np.ndarray) -> np.ndarray:
    """World points `[side side 3]` at distances along the rays of a picture."""
    rays = camera.rays(SIDE)
    origins, directions = rays.origins[0].numpy(), rays.directions[0].numpy()
    return (origins + directions * distance.reshape(-1, 1)).reshape(SIDE, SIDE, 3)


def people(world: Any, student: str, split: Split, count: int) -> Iterator[Person]:
    """People 0 to `count` − 1 of a split."""
    reconstructor = Reconstructor(Lifter.load(student_file(student)))
    for number in range(count):
        yield Person(reconstructor, world, WorldSeeds.of(split, [number]))


def levels(given: Iterator[Person]) -> dict[str, list[Score]]:
    """The scores at every level, its name first."""
    found: dict[str, list[Score]] = {f"box / {within}": [] for within in WITHIN}
    for person in given:
        for within in WITHIN:
            settings = MeshSettings(resolution=RESOLUTION, opaque_within=1 / within)
            found[f"box / {within}"].append(person.score(head_mesh(person.field, settings)))
    return found


def variants(given: Iterator[Person]) -> dict[str, list[Score]]:
    """The scores with fewer faces and with a texture."""
    found: dict[str, list[Score]] = {name: [] for name in VARIANTS}
    for person in given:
        for name, changed in VARIANTS.items():
            settings = MeshSettings(resolution=RESOLUTION, **changed)
            mesh = under_a_picture(head_mesh(person.field, settings), person.field, settings)
            found[name].append(person.score(mesh))
    return found


def table(title: str, found: dict[str, list[Score]]) -> str:
    """Means over people, and the standard deviation of the PSNR between them."""
    names = [field.name for field in fields(Score)]
    lines = [f"## {title}", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, scores in found.items():
        rows = np.array([astuple(score) for score in scores])
        cells = [f"{value:.2f}" for value in rows.mean(0)]
        cells[0] += f" ± {rows[:, 0].std():.2f}"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="puppets", help="puppets or heads")
    parser.add_argument("--student", default="bundled/puppets_tiny")
    parser.add_argument("--people", type=int, default=16, help="of the test split")
    parser.add_argument("--choose", type=int, default=16, help="of the training split; 0: none")
    given = parser.parse_args()
    choose_kernels("fast")
    world, student = open_world(given.world), given.student
    if given.choose:
        found = levels(people(world, student, Split.TRAIN, given.choose))
        print(table(f"level, {given.choose} {given.world} of the training split", found))
    tested = given.people, given.world
    found = levels(people(world, student, Split.TEST, given.people))
    print(table("level, {} {} of the test split".format(*tested), found), flush=True)
    found = variants(people(world, student, Split.TEST, given.people))
    print(table("faces and texture, {} {} of the test split".format(*tested), found))


if __name__ == "__main__":
    main()
