"""NeRF's transforms.json: OpenGL's camera axes in Blender's world (z up), intrinsics in pixels or
as a horizontal angle.
"""

import json
import math
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from pipeline.runs.files import write_text
from teachers.plain_values import is_number, is_number_text, misfit, shown

from .table import OPENCV_TO_OPENGL, CameraTable

_Row = tuple[float, float, float, float]


class _Frame(TypedDict):
    transform_matrix: tuple[_Row, _Row, _Row, _Row]


class _Frames(TypedDict):
    frames: list[_Frame]


DISTORTION = (
    *("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "s1", "s2", "s3", "s4"),
    *("b1", "b2", "is_fisheye", "distortion_params", "distortion"),
)
"""Keys of what makes a lens no pinhole, unless their values are zero."""

PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "FULL_OPENCV", "SIMPLE_RADIAL", "RADIAL")
"""Values of `camera_model` that are pinholes where nothing is distorted; PERSPECTIVE, too."""


def read_transforms(content: dict[str, Any], up: str | None = None) -> CameraTable:
    """The cameras of the frames in this project's convention.

    Args:
        content: of the file.
        up: the up axis of its world; None: z.

    Raises:
        ValueError: a missing key, or a distorted lens.
    """
    if wrong := misfit(content, _Frames):
        raise ValueError(wrong)
    frames = content["frames"]
    names = [str(frame.get("file_path", index)) for index, frame in enumerate(frames)]
    matrices = [np.array(frame["transform_matrix"], np.float64) for frame in frames]
    lenses = [_lens({**content, **frame}, name) for frame, name in zip(frames, names, strict=True)]
    sizes = [size for _, size in lenses if size is not None]
    table = CameraTable(
        names,
        np.stack(matrices) @ OPENCV_TO_OPENGL if matrices else np.zeros((0, 4, 4)),
        np.stack([intrinsics for intrinsics, _ in lenses]) if lenses else np.zeros((0, 3, 3)),
        np.array(sizes) if sizes and len(sizes) == len(lenses) else None,
    )
    return table.from_world(up or "z")


def _lens(values: dict[str, Any], name: str) -> tuple[np.ndarray, tuple[int, int] | None]:
    bent = [key for key in DISTORTION if _is_bent(values, key, name)]
    if bent:
        raise ValueError(
            f"{name} has a distorted lens ({bent[0]} is {values[bent[0]]!r}): undistort the"
            " pictures first"
        )
    model = values.get("camera_model")
    if model is not None and str(model).upper() not in (*PINHOLES, "PERSPECTIVE"):
        raise ValueError(
            f"{name} has the camera_model {model!r}, which is no pinhole: make perspective pictures"
            " of it first"
        )
    has_size = "w" in values and "h" in values
    size = (_side(values, "w", name), _side(values, "h", name)) if has_size else None
    if size is None and ("cx" in values or "cy" in values):
        raise ValueError(
            f"{name} has a principal point in pixels (cx, cy), but no w and h: write the picture's"
            " size"
        )
    width, height = size or (1, 1)
    if "fl_x" in values:
        if size is None:
            raise ValueError(f"{name} has a focal length in pixels, but no w and h")
        focal_x = _positive(values, "fl_x", name)
        focal = focal_x, _positive(values, "fl_y", name) if "fl_y" in values else focal_x
    elif "camera_angle_x" in values:
        across = 0.5 * width / _half_tangent(values, "camera_angle_x", name)
        down = (
            0.5 * height / _half_tangent(values, "camera_angle_y", name)
            if "camera_angle_y" in values
            else across
        )
        focal = across, down
    else:
        raise ValueError(f"{name} has neither fl_x nor camera_angle_x")
    centre = (
        _number(values, "cx", name) if "cx" in values else width / 2,
        _number(values, "cy", name) if "cy" in values else height / 2,
    )
    return np.array(
        [
            [focal[0] / width, 0, centre[0] / width],
            [0, focal[1] / height, centre[1] / height],
            [0, 0, 1.0],
        ]
    ), size


def _number(values: dict[str, Any], key: str, name: str) -> float:
    value = values[key]
    if isinstance(value, str) and is_number_text(value):  # some programs write numbers as text
        value = float(value)
    if not is_number(value):
        raise ValueError(f"{name} has {key} {shown(values[key])}: expected a finite number")
    return float(value)


def _positive(values: dict[str, Any], key: str, name: str) -> float:
    number = _number(values, key, name)
    if number <= 0:
        raise ValueError(f"{name} has {key} {number:g}: expected a positive number")
    return number


def _side(values: dict[str, Any], key: str, name: str) -> int:
    number = _positive(values, key, name)
    if not 1 <= number < 1 << 31:
        raise ValueError(f"{name} has {key} {number:g}: expected its size in whole pixels")
    return int(number)


def _half_tangent(values: dict[str, Any], key: str, name: str) -> float:
    angle = _positive(values, key, name)
    if not angle < math.pi:
        raise ValueError(f"{name} has {key} {angle:g}: expected an angle in radians, below pi")
    return math.tan(angle / 2)


def _is_bent(values: dict[str, Any], key: str, name: str) -> bool:
    value = values.get(key)
    if isinstance(value, list):
        return any(map(bool, value))
    return bool(value) if isinstance(value, bool | None) else bool(_number(values, key, name))


def write_transforms(path: Path, table: CameraTable, size: int | None) -> None:
    """Writes the file, each frame with its own intrinsics.

    Raises:
        ValueError: a skew, or unknown size of the images.
    """
    sizes = table.without_skew().sized(size)
    matrices = table.in_world("z").cam_to_world @ OPENCV_TO_OPENGL
    frames = []
    for name, matrix, lens, (width, height) in zip(
        table.names, matrices.tolist(), table.intrinsics.tolist(), sizes.tolist(), strict=True
    ):
        pixels = {"w": width, "h": height, "fl_x": lens[0][0] * width, "fl_y": lens[1][1] * height}
        pixels |= {
            "cx": lens[0][2] * width,
            "cy": lens[1][2] * height,
            "camera_angle_x": 2 * math.atan(0.5 / lens[0][0]),
        }
        frames.append({"file_path": name, "transform_matrix": matrix, **pixels})
    write_text(path, json.dumps({"frames": frames}, indent=1))
