"""The training images of a teacher, drawn at random, half of them mirrored: kept in memory as
bytes, or decoded when they are drawn.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from pipeline.data.archive import Archive
from pipeline.data.photographs import Photographs
from pipeline.worlds.dataset import PoseDistribution, export_identities
from pipeline.worlds.opening import world_facts
from pipeline.worlds.splits import Split
from teachers.rendering.camera import Camera

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageBatch:
    """Images and the cameras that took them.

    Attributes:
        color: RGB in [0, 1], premultiplied by the opacity.
        opacity: 1 where the image has no matte.
        camera: one per image.
    """

    color: Float[Tensor, "batch 3 height width"]
    opacity: Float[Tensor, "batch 1 height width"]
    camera: Camera

    def over(self, background: float) -> Float[Tensor, "batch 3 height width"]:
        """The images in [-1, 1] in front of a grey in [0, 1]."""
        return (self.color + (1 - self.opacity) * background) * 2 - 1


class TrainingImages:
    """Images with cameras.

    Args:
        images: bytes with three channels (RGB) or four (premultiplied RGB and opacity), or a
            collection too large for that.
        cameras: one per image.
        mirrored: also draw mirror images, with the mirrored camera.
    """

    def __init__(
        self,
        images: UInt8[Tensor, "image channel height width"] | Photographs,
        cameras: Camera,
        *,
        mirrored: bool = True,
    ) -> None:
        self.images, self.cameras, self.mirrored = images, cameras, mirrored

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_in_memory(self) -> bool:
        """Whether images are held decoded."""
        return isinstance(self.images, Tensor)

    def draw(self, count: int, random: torch.Generator) -> ImageBatch:
        """Images drawn with replacement, on the device of `random`."""
        rows, is_mirrored = self._draw_rows(count, random)
        pixels = self._pixels(rows).float() / 255
        return _batch(
            torch.where(is_mirrored[:, None, None, None], pixels.flip(-1), pixels),
            self._cameras_of(rows, is_mirrored),
        )

    def draw_cameras(self, count: int, random: torch.Generator) -> Camera:
        """The cameras that `draw` would give, without their images."""
        return self._cameras_of(*self._draw_rows(count, random))

    def first(self, count: int, background: float = 1.0) -> Float[Tensor, "image 3 height width"]:
        """The first `count` images in [-1, 1], in front of a grey in [0, 1]."""
        return self._between(0, min(count, len(self)), background)

    def parts(
        self, size: int, background: float = 1.0, *, start: int = 0
    ) -> Iterator[Float[Tensor, "image 3 height width"]]:
        """All images from `start` on, `size` at a time, as those of `first`."""
        for begin in range(start, len(self), size):
            yield self._between(begin, min(begin + size, len(self)), background)

    def _between(
        self, start: int, stop: int, background: float
    ) -> Float[Tensor, "image 3 height width"]:
        pixels = self._pixels(torch.arange(start, stop)).float() / 255
        return _batch(pixels, self.cameras[start:stop]).over(background)

    def _draw_rows(
        self, count: int, random: torch.Generator
    ) -> tuple[Int64[Tensor, " batch"], Bool[Tensor, " batch"]]:
        rows = torch.randint(len(self), (count,), generator=random, device=random.device)
        return rows, torch.rand(count, generator=random, device=random.device) < (
            0.5 if self.mirrored else 0.0
        )

    def _cameras_of(self, rows: Tensor, is_mirrored: Tensor) -> Camera:
        camera = self.cameras.to(rows.device)[rows]
        mirror, choose = camera.mirrored(), is_mirrored[:, None, None]
        return Camera(
            torch.where(choose, mirror.cam_to_world, camera.cam_to_world),
            torch.where(choose, mirror.intrinsics, camera.intrinsics),
        )

    def _pixels(self, rows: Tensor) -> UInt8[Tensor, "batch channel height width"]:
        if isinstance(self.images, Tensor):
            self.images = self.images.to(rows.device)
            return self.images[rows]
        return self.images.batch(rows.cpu())[0].to(rows.device)


def _batch(pixels: Tensor, camera: Camera) -> ImageBatch:
    opacity = pixels[:, 3:] if pixels.shape[1] == 4 else torch.ones_like(pixels[:, :1])
    return ImageBatch(pixels[:, :3], opacity, camera)


def rendered_images(
    *,
    world: str = "puppets",
    path: str,
    count: int,
    resolution: int,
    first: int = 0,
    split: Split = Split.TRAIN,
    supersampling: int = 2,
    workers: int = 2,
    pose_distribution: dict[str, float] | None = None,
    camera_pivot: Sequence[float] | None = None,
) -> TrainingImages:
    """Training identities of a world from number `first` on, each in one view; rendered
    into `path` if that doesn't exist.

    Args:
        split: another than the training's has pictures to compare with only.
        camera_pivot: what the teacher's cameras look at; None: not compared with the world's.

    Raises:
        ValueError: `path` holds other identities, or the teacher's cameras look elsewhere.
    """
    _check_pivot(world, camera_pivot)
    file, distribution = Path(path), PoseDistribution(**(pose_distribution or {}))
    if file.exists():
        _check_identities(
            file,
            {
                "world": world,
                "world_version": world_facts(world)[0],
                "split": split.name.lower(),
                "first": first,
                "count": count,
                "supersampling": supersampling,
                **asdict(distribution),
            },
        )
    else:
        log.info(
            "rendering %d identities (%s) of %s into %s", count, split.name.lower(), world, file
        )
        export_identities(
            file,
            world=world,
            split=split,
            count=count,
            first=first,
            resolution=resolution,
            supersampling=supersampling,
            pose_distribution=distribution,
            workers=workers,
        )
    return labelled_images(path=path, resolution=resolution, mirrored=True)


def _check_pivot(world: str, given: Sequence[float] | None) -> None:
    expected = world_facts(world)[1]
    if given is not None and max(abs(a - b) for a, b in zip(given, expected, strict=True)) > 1e-3:
        raise ValueError(
            f"teacher.camera_pivot is {list(given)}, but cameras of the world {world} look at"
            f" {[round(x, 4) for x in expected]}: give teacher_network={world}64"
        )


def _check_identities(file: Path, expected: dict[str, str | int | float]) -> None:
    index = Archive(file).index()
    there = {"world": "puppets", **index.others, "count": len(index.names)}
    wanted = {name: value for name, value in expected.items() if there.get(name, value) != value}
    if wanted:
        found = {name: there[name] for name in wanted}
        raise ValueError(
            f"{file} holds other identities than the configuration: it has {found}, expected was"
            f" {wanted}: give another data.path, or remove the file"
        )


def labelled_images(*, path: str, resolution: int, mirrored: bool = True) -> TrainingImages:
    """An EG3D-style folder or zip (see `Photographs`).

    Raises:
        ValueError: it is unusable, or its images are not of `resolution`.
    """
    photographs = Photographs(Path(path))
    if photographs.resolution != resolution:
        raise ValueError(
            f"{path} holds images of {photographs.resolution}², but the teacher is to draw"
            f" {resolution}²: resize them, or change the teacher"
        )
    cameras = Camera.from_label(photographs.labels)
    if not photographs.is_in_memory:
        return TrainingImages(photographs, cameras, mirrored=mirrored)
    return TrainingImages(
        photographs.batch(torch.arange(len(photographs)))[0], cameras, mirrored=mirrored
    )
