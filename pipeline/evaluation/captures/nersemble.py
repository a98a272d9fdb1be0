"""NeRSemble converted to the folder format of captures. The dataset needs a licence from its
authors.

The conversion has not been run on the dataset itself: it follows the published loaders (github
tobias-kirschstein/nersemble and nersemble-data), and is tested on a folder that imitates them.
Check the images of the first export.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suite_files import write_manifest
from pipeline.portraits.film import read_pictures
from teachers.plain_values import read_json_file

from .capture_crop import PixelCamera
from .capture_shots import Shot, export_shots, like, mask_tensor, picture_tensor, read_shot

NERSEMBLE_SIZE = (2200, 3208)
"""Size of the full images in pixels, to which the calibration refers at any file size."""


_Row3 = tuple[float, float, float]
_Row4 = tuple[float, float, float, float]


class _Calibration(TypedDict):
    intrinsics: tuple[_Row3, _Row3, _Row3]
    world_2_cam: dict[str, tuple[_Row4, _Row4, _Row4, _Row4]]


@dataclass(frozen=True, kw_only=True)
class NersembleCaptures:
    """A moment of each participant (sixteen cameras) as a capture.

    Args:
        path: the folder with the participants' folders (017, 018, …): camera_params.json there or
            in calibration/; pictures in
            sequences/NAME/[timesteps/]frame_00000/images…/cam_SERIAL.png (version 1) or
            sequences/NAME/images/cam_SERIAL.mp4 (version 2, needs the extra video).
        sequence: its name.
        frame: number of the timestep.
        given: serial of the input's camera.
        width: side of the crops, metres at the head: 0.25 is about EG3D's.
        resolution: of the written images.
    """

    path: str
    sequence: str = "EXP-1-head"
    frame: int = 0
    given: str = "222200037"
    width: int | float = 0.25
    resolution: int = 512

    def export(self, folder: Path, context: SuiteContext) -> None:
        """Writes one capture per subject, and the manifest."""
        subjects = [
            subject
            for subject in sorted(Path(self.path).iterdir())
            if (subject / "sequences" / self.sequence).is_dir()
        ]
        if not subjects:
            raise ValueError(
                f"{self.path} holds no participant with sequences/{self.sequence}: give source.path"
                " and source.sequence"
            )
        for subject in subjects:
            export_shots(
                folder,
                subject.name,
                list(self._shots(subject)),
                f"cam_{self.given}",
                float(self.width),
                self.resolution,
            )
        write_manifest(
            folder,
            suite="multiview",
            licence="NeRSemble's own",
            split="all",
            crop="square about where the optical axes meet",
        )

    def _shots(self, subject: Path) -> Iterator[Shot]:
        files = [
            file
            for file in (
                subject / "calibration" / "camera_params.json",
                subject / "camera_params.json",
            )
            if file.is_file()
        ]
        if not files:
            raise ValueError(
                f"{subject} has no camera_params.json, neither in it nor in calibration/"
            )
        calibration = read_json_file(files[0], _Calibration)
        matrix = torch.tensor(calibration["intrinsics"], dtype=torch.float64)
        for serial, world_to_cam in sorted(calibration["world_2_cam"].items()):
            found = self._picture(subject, f"cam_{serial}")
            if found is not None:
                image, mask, z = found
                scale = torch.diag(
                    torch.tensor(
                        [
                            image.shape[-1] / NERSEMBLE_SIZE[0],
                            image.shape[-2] / NERSEMBLE_SIZE[1],
                            1.0,
                        ],
                        dtype=torch.float64,
                    )
                )
                pose = torch.linalg.inv(torch.tensor(world_to_cam, dtype=torch.float64))
                yield Shot(f"cam_{serial}", image, PixelCamera(scale @ matrix, pose), mask, z)

    def _picture(
        self, subject: Path, camera: str
    ) -> tuple[Tensor, Tensor | None, Tensor | None] | None:
        sequence = subject / "sequences" / self.sequence
        film = sequence / "images" / f"{camera}.mp4"
        if film.is_file():
            frames = read_pictures(film, every=1, most=self.frame + 1)
            pictures = [image for number, image in frames if (number or 0) == self.frame]
            return (picture_tensor(pictures[0]), None, None) if pictures else None
        moments = [
            folder / f"frame_{self.frame:05d}" for folder in (sequence, sequence / "timesteps")
        ]
        moment = next((folder for folder in moments if folder.is_dir()), None)
        if moment is None:
            raise ValueError(f"{sequence} has no frame_{self.frame:05d}, nor images/{camera}.mp4")
        pictures_found = sorted(
            file for kind in ("png", "jpg") for file in moment.glob(f"images*/{camera}.{kind}")
        )
        if not pictures_found:
            return None
        image = read_shot(pictures_found[0])
        masks = sorted(moment.glob(f"alpha_map*/{camera}.*"))
        mask = None if not masks else mask_tensor(masks[0], image)
        depths = sorted(moment.glob(f"colmap*/depth_maps_geometric/*/{camera}.npz"))
        z = (
            None
            if not depths
            else like(torch.from_numpy(np.load(depths[-1])["depth_map"]).float()[None], image)
        )
        return image, mask, z
