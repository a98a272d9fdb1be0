"""Camera labels of EG3D: 16 numbers camera-to-world, 9 numbers intrinsics, both row-major; and what
can be wrong with one.
"""

import torch
from torch import Tensor

from teachers.plain_values import shown

ORTHONORMAL_TOLERANCE = 1e-2


class BadDataset(ValueError):
    """A photograph collection that can't be used, with the reason and what to do."""


def check_labels(names: list[str], labels: list[object]) -> Tensor:
    """The labels as `[photograph 25]`.

    Raises:
        BadDataset: the first label that isn't an OpenCV camera with normalised intrinsics, and why.
    """
    for name, label in zip(names, labels, strict=True):
        _check_numbers(name, label)
    table = torch.tensor(labels, dtype=torch.float32)
    for check in (_check_rotation, _check_intrinsics, _check_direction):
        check(names, table)
    return table


def _check_numbers(name: str, label: object) -> None:
    if not isinstance(label, list) or len(label) != 25:
        came = f"{len(label)} numbers" if isinstance(label, list) else repr(label)
        raise BadDataset(
            f"The label of {name} has {came}; expected 25: camera-to-world 4x4 and intrinsics 3x3,"
            " row by row."
        )
    for place, number in enumerate(label):
        if not _is_finite(number):
            raise BadDataset(
                f"The label of {name} holds {shown(number)} at place {place}, which isn't a finite"
                " number: write 25 numbers."
            )


def _is_finite(number: object) -> bool:
    """A number that single precision can hold."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return abs(number) < 3e38  # false for NaN


def _check_rotation(names: list[str], table: Tensor) -> None:
    matrices = table[:, :16].reshape(-1, 4, 4)
    rotations = matrices[:, :3, :3]
    last_row = (matrices[:, 3] - torch.tensor([0.0, 0, 0, 1])).abs().amax(
        -1
    ) > ORTHONORMAL_TOLERANCE
    _refuse(
        names,
        last_row,
        "has a camera-to-world matrix whose last row isn't 0 0 0 1: write it row by row, position"
        " last.",
    )
    skew = (rotations @ rotations.mT - torch.eye(3)).abs().amax((-1, -2)) > ORTHONORMAL_TOLERANCE
    _refuse(
        names,
        skew,
        "has a rotation that isn't orthonormal: camera-to-world must be rigid, without scale or"
        " shear.",
    )
    mirrored = torch.linalg.det(rotations) < 0
    _refuse(
        names,
        mirrored,
        "has a rotation with determinant -1 (a mirrored axis): flip two axes or none, never one.",
    )


def _check_intrinsics(names: list[str], table: Tensor) -> None:
    intrinsics = table[:, 16:].reshape(-1, 3, 3)
    focal, centre = intrinsics[:, (0, 1), (0, 1)], intrinsics[:, :2, 2]
    pixels = (focal.abs().amax(-1) > 40) | (centre.abs().amax(-1) > 4)
    _refuse(
        names,
        pixels,
        "has intrinsics in pixels: divide focal length and principal point by the image size.",
    )
    _refuse(
        names,
        focal.amin(-1) <= 0,
        "has a focal length that isn't positive: intrinsics are fx skew cx, 0 fy cy, 0 0 1.",
    )
    last = (intrinsics[:, 2] - torch.tensor([0.0, 0, 1])).abs().amax(-1) > 1e-3
    _refuse(names, last, "has intrinsics whose last row isn't 0 0 1: write them row by row.")


def _check_direction(names: list[str], table: Tensor) -> None:
    """The origin, where the face is, must lie in front: with OpenGL axes (z backward) it lies
    behind.
    """
    matrices = table[:, :16].reshape(-1, 4, 4)
    ahead = (-matrices[:, :3, 3] * matrices[:, :3, 2]).sum(-1)
    away = (
        "has a camera that looks away from the origin: axes must be OpenCV's (x right, y down, z"
        " forward); from OpenGL's, negate the second and third column."
    )
    _refuse(names, ahead <= 0, away)


def _refuse(names: list[str], wrong: Tensor, reason: str) -> None:
    if wrong.any():
        row = int(wrong.nonzero()[0])
        count = int(wrong.sum())
        others = f" (and {count - 1} other labels)" if count > 1 else ""
        raise BadDataset(f"The label of {names[row]}{others} {reason}")
