"""H3DS converted to the folder format of captures. The dataset needs a licence from its authors.

The conversion has not been run on the dataset itself: it follows the published loader (github
CrisalixSA/h3ds), and is tested on a folder that imitates it. Check the images of the first export.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suite_files import write_manifest

from .capture_crop import PixelCamera
from .capture_shots import Shot, export_shots, mask_tensor, read_shot


@dataclass(frozen=True, kw_only=True)
class H3dsCaptures:
    """Each scene of H3DS as a capture, with depths of its scan.

    Args:
        path: the folder with the scenes' folders: image/*.jpg, mask/*.png, cameras.npz
            (world_mat_0, …) and full_head.obj.
        given: index of the input view, in the order of names; the frontal one.
        views: largest number, evenly spread; None: all.
        width: side of the crops in the scan's units at the head; None: 0.9 of the scan's height.
        resolution: of the written images.
        has_depth: whether depths of the scan are rendered.
    """

    path: str
    given: int = 0
    views: int | None = 12
    width: int | float | None = None
    resolution: int = 512
    has_depth: bool = True

    def export(self, folder: Path, context: SuiteContext) -> None:
        """Writes one capture for each scene, and the manifest."""
        scenes = [
            scene
            for scene in sorted(Path(self.path).iterdir())
            if (scene / "cameras.npz").is_file()
        ]
        if not scenes:
            raise ValueError(
                f"{self.path} holds no scene with cameras.npz: give source.path, the folder that"
                " H3DS was unpacked into"
            )
        for scene in scenes:
            surface = (
                points_of_mesh(scene / "full_head.obj")
                if (scene / "full_head.obj").is_file()
                else None
            )
            width = self.width or (
                None if surface is None else 0.9 * float(surface[:, 1].max() - surface[:, 1].min())
            )
            if width is None:
                raise ValueError(
                    f"{scene} has no full_head.obj to tell how large a head is: give source.width"
                )
            shots = list(self._shots(scene))
            centre = None if surface is None else (surface.amin(0) + surface.amax(0)) / 2
            points = surface if self.has_depth else None
            export_shots(
                folder,
                scene.name,
                shots,
                shots[0].name,
                float(width),
                self.resolution,
                centre=centre,
                surface=points,
            )
        write_manifest(
            folder,
            suite="multiview",
            licence="H3DS, its own licence",
            split="all",
            crop="square about the scan",
        )

    def _shots(self, scene: Path) -> Iterator[Shot]:
        images = sorted(
            file for file in (scene / "image").iterdir() if file.suffix.lower() in (".jpg", ".png")
        )
        cameras = np.load(scene / "cameras.npz")
        others = [number for number in range(len(images)) if number != self.given]
        if self.views is not None and len(others) > self.views - 1:
            others = [
                others[round(number)] for number in np.linspace(0, len(others) - 1, self.views - 1)
            ]
        for number in [self.given, *dict.fromkeys(others)]:
            if number >= len(images) or f"world_mat_{number}" not in cameras:
                raise ValueError(f"{scene} has no view {number}: it has {len(images)} pictures")
            image = read_shot(images[number])
            masks = sorted(
                (scene / "mask").glob(
                    f"*{''.join(re.findall(r'[0-9]+', images[number].stem)[-1:])}.*"
                )
            )
            mask = None if not masks else mask_tensor(masks[0], image)
            yield Shot(
                images[number].stem,
                image,
                PixelCamera.of_projection(cameras[f"world_mat_{number}"][:3]),
                mask,
            )


def points_of_mesh(path: Path, points: int = 1_500_000) -> Float[Tensor, "point 3"]:
    """Points of a mesh in an .obj file, as dense everywhere: its vertices and random points of its
    triangles.
    """
    vertices, faces = [], []
    for line in path.read_text().splitlines():
        if line.startswith("v "):
            vertices.append([float(value) for value in line.split()[1:4]])
        elif line.startswith("f "):
            corners = [int(part.split("/")[0]) for part in line.split()[1:]]
            corners = [corner - 1 if corner > 0 else len(vertices) + corner for corner in corners]
            faces += [
                (corners[0], corners[number], corners[number + 1])
                for number in range(1, len(corners) - 1)
            ]
    if not vertices or not faces:
        raise ValueError(f"{path} holds no mesh")
    places = torch.tensor(vertices)
    triangles = places[torch.tensor(faces)]
    areas = torch.linalg.cross(
        triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    ).norm(dim=-1)
    random = torch.Generator().manual_seed(0)
    chosen = triangles[
        torch.searchsorted(
            areas.cumsum(0) / areas.sum(), torch.rand(points, generator=random)
        ).clamp(max=len(triangles) - 1)
    ]
    first, second = torch.rand(2, points, 1, generator=random)
    root = first.sqrt()
    return torch.cat(
        [
            places,
            (1 - root) * chosen[:, 0]
            + root * (1 - second) * chosen[:, 1]
            + root * second * chosen[:, 2],
        ]
    )
