"""Calibrated captures as a folder: images, cameras, masks, depths (docs/benchmarks.md)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from pipeline.evaluation.items import ItemViews
from pipeline.pictures import from_uint8, write_png
from pipeline.portraits.cameras.labels import Label
from pipeline.portraits.cameras.readings import OURS, READINGS, better_reading, read_as
from pipeline.portraits.photograph import decode_picture, read_mask
from pipeline.portraits.pixels import opaque, over
from pipeline.runs.files import write_json
from pipeline.runs.tensor_file import write_tensors
from teachers.plain_values import read_json_file, shown
from teachers.rendering.camera import Camera

from .similarity import Similarity

CAMERAS = "cameras.json"
CAPTURE_SCHEMA = 1
ORTHOGONAL = 1e-3
"""Largest deviation of a camera's or a head's axes from an orthonormal basis."""


class _Frame(TypedDict):
    image: str
    camera: Label
    mask: NotRequired[str | None]
    depth: NotRequired[str | None]


class _Head(TypedDict):
    scale: float
    rotation: tuple[float, float, float, float, float, float, float, float, float]
    translation: tuple[float, float, float]


class _Described(TypedDict):
    schema: int
    given: str
    frames: list[_Frame]
    head: NotRequired[_Head | None]
    group: NotRequired[str | None]
    convention: NotRequired[str | None]
    background: NotRequired[float | None]


@dataclass(frozen=True)
class Frame:
    """One image of a capture; file names are relative to its folder."""

    image: str
    mask: str | None
    depth: str | None


@dataclass(frozen=True)
class Capture:
    """One subject seen by several cameras at one moment.

    Attributes:
        folder: of the files, named after the subject.
        frames: the input first.
        camera: one for each frame, in the capture's own world and units; intrinsics are divided by
            the (square) image's size.
        head: transform from the capture's world to the teacher's, if known.
        group: scores are also reported by group.
        background: grey level in [0, 1] of the background; None if it isn't plain.
    """

    folder: Path
    frames: tuple[Frame, ...]
    camera: Camera
    head: Similarity | None = None
    group: str | None = None
    background: float | None = None

    @property
    def name(self) -> str:
        """The subject's."""
        return self.folder.name

    def load(self) -> ItemViews:
        """Images, masks and depths of all frames; masks and depths only if every frame has them.

        Raises:
            ValueError: a file can't be read, an image isn't square, depth is no distance, or sizes
                differ.
        """
        images = torch.stack([self._image(frame.image) for frame in self.frames])
        masks, depths = None, None
        if all(frame.mask for frame in self.frames):
            masks = torch.stack([self._mask(str(frame.mask)) for frame in self.frames])
        if all(frame.depth for frame in self.frames):
            depths = torch.stack([self._depth(str(frame.depth))[None] for frame in self.frames])
        for values in (masks, depths):
            if values is not None and values.shape[-2:] != images.shape[-2:]:
                raise ValueError(
                    f"{self.folder}: masks and depths must have the size of the images"
                )
        if masks is None and depths is not None:
            masks = (depths > 0).float()
        return ItemViews(images, depths, masks)

    def _image(self, name: str) -> Float[Tensor, "3 height width"]:
        """Transparency over the capture's background; ValueError where that isn't plain."""
        try:
            picture = decode_picture(self.folder / name)
            picture = opaque(picture) if self.background is None else over(picture, self.background)
        except ValueError as error:
            raise ValueError(f"{self.folder / name} can't be used: {error}") from error
        return self._square(name, from_uint8(np.asarray(picture)))

    def _mask(self, name: str) -> Float[Tensor, "1 height width"]:
        try:
            return self._square(name, read_mask(self.folder / name))
        except ValueError as error:
            raise ValueError(f"{self.folder / name} can't be used: {error}") from error

    def _square(self, name: str, pixels: Tensor) -> Tensor:
        height, width = pixels.shape[-2:]
        if height != width:
            raise ValueError(
                f"{self.folder / name} is {width}x{height}: images of a capture are square"
            )
        return pixels

    def _depth(self, name: str) -> Float[Tensor, "height width"]:
        try:
            depth = safetensors.torch.load_file(self.folder / name)["depth"].float()
        except (OSError, SafetensorError, KeyError) as error:
            raise ValueError(f"{self.folder / name} holds no tensor 'depth' ({error!r})") from error
        if depth.dim() != 2 or not (depth.isfinite() & (depth >= 0)).all() or not depth.numel():
            raise ValueError(
                f"{self.folder / name} has depth of shape {list(depth.shape)} with numbers that"
                " are not finite, below 0, or missing: expected are [height, width] distances, 0"
                " for what isn't known"
            )
        return depth


def find_captures(folder: Path) -> list[Capture]:
    """The captures in all subfolders that have a cameras.json, sorted by name.

    Raises:
        ValueError: there is none, or one is wrong.
    """
    files = sorted(folder.glob(f"*/{CAMERAS}"))
    if not files:
        raise ValueError(
            f"{folder} holds no captures: expected one folder for each subject, with {CAMERAS} and"
            " the images that it names"
        )
    return [read_capture(file.parent) for file in files]


def read_capture(folder: Path) -> Capture:
    """One subject's folder; images aren't decoded.

    Raises:
        ValueError: cameras.json is damaged, a file is missing, or a camera or the head isn't
            valid.
    """
    path = folder / CAMERAS
    advice = "docs/benchmarks.md says what describes a capture"
    described = read_json_file(path, _Described, advice)
    if described["schema"] != CAPTURE_SCHEMA:
        raise ValueError(
            f"{path} has schema {described['schema']}, this trilift reads {CAPTURE_SCHEMA}"
        )
    given = described["given"]
    entries = sorted(described["frames"], key=lambda entry: entry["image"] != given)
    frames = tuple(
        Frame(entry["image"], entry.get("mask"), entry.get("depth")) for entry in entries
    )
    if len(frames) < 2 or frames[0].image != given:
        raise ValueError(
            f"{path} has {len(frames)} frames, {shown([frame.image for frame in frames])}, the"
            f" input {given!r} is{' not' if not frames or frames[0].image != given else ''} among"
            " them: a capture needs the input and at least one other view; `given` names one of the"
            " frames"
        )
    camera = Camera.from_label(
        torch.tensor([entry["camera"] for entry in entries], dtype=torch.float64)
    )
    convention, background = described.get("convention"), described.get("background")
    if convention is not None and convention not in READINGS:
        raise ValueError(
            f"{path} says convention {convention!r}: use {', '.join(READINGS)}, or leave it out"
        )
    said = described.get("head")
    head = None if said is None else _similarity(path, said)
    missing = [
        name
        for frame in frames
        for name in (frame.image, frame.mask, frame.depth)
        if name and not (folder / name).is_file()
    ]
    if missing:
        raise ValueError(f"{path} names {missing[0]}, which doesn't exist")
    _require_rigid(path, camera)
    camera = _in_our_convention(path, camera, convention, head)
    camera = Camera(camera.cam_to_world.float(), camera.intrinsics.float())
    return Capture(
        folder,
        frames,
        camera,
        head,
        described.get("group"),
        None if background is None else float(background),
    )


def write_capture(
    folder: Path,
    reference: ItemViews,
    camera: Camera,
    *,
    names: Sequence[str] | None = None,
    head: Similarity | None = None,
    group: str | None = None,
    background: float | None = None,
) -> Capture:
    """Writes one subject's folder; the first view is the input.

    Args:
        folder: created.
        reference: square images; opacity becomes masks, depth is in the capture's units.
        camera: one for each view, intrinsics divided by the image's size.
        names: of the views.
        head: transform from the capture's world to the teacher's, if known.
        group: scores are also reported by group.
        background: grey level in [0, 1] of the background; None if it isn't plain.
    """
    names = names or [f"{view:03d}" for view in range(len(reference))]
    frames: list[dict[str, Any]] = []
    for view, name in enumerate(names):
        entry: dict[str, Any] = {
            "image": f"{name}.png",
            "camera": [round(value, 9) for value in camera.label()[view].double().tolist()],
        }
        write_png(folder / entry["image"], reference.image[view])
        if reference.opacity is not None:
            entry["mask"] = f"{name}.mask.png"
            write_png(folder / entry["mask"], reference.opacity[view] * 2 - 1)
        if reference.depth is not None:
            entry["depth"] = f"{name}.depth.safetensors"
            write_tensors(folder / entry["depth"], {"depth": reference.depth[view, 0].float()})
        frames.append(entry)
    described = {
        "schema": CAPTURE_SCHEMA,
        "given": frames[0]["image"],
        "group": group,
        "background": background,
        "head": None if head is None else _as_json(head),
        "frames": frames,
    }
    write_json(folder / CAMERAS, described, indent=1)
    return read_capture(folder)


def _require_rigid(path: Path, camera: Camera) -> None:
    if not camera.label().isfinite().all():
        raise ValueError(f"{path}: a camera holds something that isn't a finite number")
    if not _are_rotations(camera.cam_to_world[:, :3, :3]):
        raise ValueError(
            f"{path}: a camera's axes aren't a right-handed orthonormal basis:"
            " give camera-to-world matrices"
        )
    if not (camera.intrinsics[:, 0, 0] > 0.1).all() or (camera.intrinsics[:, 0, 0] > 50).any():
        raise ValueError(
            f"{path}: focal lengths are divided by the image width: expected 0.1 to 50"
        )


def _in_our_convention(
    path: Path, camera: Camera, convention: str | None, head: Similarity | None
) -> Camera:
    """Cameras read as the file says; ValueError if it says nothing and another reading is clearly
    better.
    """
    matrices = camera.cam_to_world.numpy()
    if convention is not None:
        return Camera(torch.from_numpy(read_as(matrices, convention)), camera.intrinsics)
    subject = None if head is None else head.inverse().translation.numpy()
    better = better_reading(matrices, camera.intrinsics.numpy(), subject=subject)
    if better is not None:
        raise ValueError(
            f"{path}: read as {OURS} matrices, the cameras don't show one upright subject; as"
            f' {better} they do: add "convention": "{better}" beside "frames" to read them so'
            f' (or "{OURS}" if that is right nevertheless)'
        )
    return camera


def _similarity(path: Path, described: _Head) -> Similarity:
    scale = float(described["scale"])
    rotation = torch.tensor(described["rotation"], dtype=torch.float64).reshape(3, 3)
    translation = torch.tensor(described["translation"], dtype=torch.float64)
    is_finite = math.isfinite(scale) and translation.isfinite().all()
    if not (is_finite and scale > 0 and _are_rotations(rotation)):
        raise ValueError(
            f"{path}: head has scale {scale}, rotation {described['rotation']} and translation"
            f" {described['translation']}: expected are finite numbers, a scale above 0 and a"
            " right-handed orthonormal rotation"
        )
    return Similarity(scale, rotation, translation)


def _are_rotations(matrices: Float[Tensor, "*batch 3 3"]) -> bool:
    """Whether all are orthonormal and right-handed; False for those with NaN."""
    eye = torch.eye(3, dtype=matrices.dtype)
    is_orthonormal = ((matrices @ matrices.mT - eye).abs() <= ORTHOGONAL).all()
    return bool(is_orthonormal and (torch.linalg.det(matrices) > 0).all())


def _as_json(motion: Similarity) -> dict[str, Any]:
    return {
        "scale": motion.scale,
        "rotation": motion.rotation.flatten().tolist(),
        "translation": motion.translation.tolist(),
    }
