"""Labels of 25 numbers: EG3D's dataset.json, or with OpenGL's axes in our world or Blender's."""

import json
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from pipeline.runs.files import write_text
from teachers.plain_values import misfit

from .table import OPENCV_TO_OPENGL, CameraTable

if TYPE_CHECKING:
    Label = list[float]
else:
    Label = GenericAlias(tuple, (float,) * 25)
    """EG3D's numbers: camera-to-world 4x4 and intrinsics 3x3, row by row."""


class LabelFile(TypedDict):
    """The keys of a file of labels: a file name and a label for each."""

    labels: list[tuple[str, Label]]


CONVENTIONS = {
    "eg3d": ("y", np.eye(4)),
    "opengl": ("y", OPENCV_TO_OPENGL),
    "blender": ("z", OPENCV_TO_OPENGL),
}
"""Convention → the world's up axis, and the matrix of the camera's axes."""


def read_labels(content: dict[str, Any], convention: str) -> CameraTable:
    """The cameras of {"labels": [[name, [25 numbers]], …]} in this project's convention.

    Raises:
        ValueError: another form.
    """
    raw = raw_labels(content)
    up, axes = CONVENTIONS[convention]
    return CameraTable(raw.names, raw.cam_to_world @ axes, raw.intrinsics).from_world(up)


def raw_labels(content: dict[str, Any]) -> CameraTable:
    """The numbers without a conversion; ValueError as `read_labels`."""
    if wrong := misfit(content, LabelFile):
        raise ValueError(wrong)
    entries = content["labels"]
    table = np.array([label for _, label in entries], np.float64).reshape(-1, 25)
    return CameraTable(
        [name for name, _ in entries],
        table[:, :16].reshape(-1, 4, 4),
        table[:, 16:].reshape(-1, 3, 3),
    )


def labels_text(table: CameraTable, convention: str, others: dict[str, Any] | None = None) -> str:
    """The content of the file; `others`: further keys."""
    up, axes = CONVENTIONS[convention]
    matrices = table.in_world(up).cam_to_world @ axes
    rows = np.concatenate([matrices.reshape(-1, 16), table.intrinsics.reshape(-1, 9)], 1).tolist()
    said = {} if convention == "eg3d" else {"convention": convention}
    return json.dumps(
        {**(others or {}), **said, "labels": list(zip(table.names, rows, strict=True))}
    )


def write_labels(
    path: Path, table: CameraTable, convention: str, others: dict[str, Any] | None = None
) -> None:
    """Writes the file; `others`: further keys."""
    write_text(path, labels_text(table, convention, others))
