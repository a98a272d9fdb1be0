"""COLMAP's text files: cameras.txt (intrinsics in pixels) and images.txt (world-to-camera
quaternions, OpenCV's axes).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.runs.files import write_text

from .table import CameraTable

LENSES = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2),
    "PINHOLE": (0, 1, 2, 3),
    "SIMPLE_RADIAL": (0, 0, 1, 2),
    "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3),
}
"""Model → indices of fx, fy, cx and cy among its parameters; those behind them are distortion."""


def read_colmap(folder: Path, up: str | None = None) -> CameraTable:
    """The registered images, in the order of the file.

    Args:
        folder: with cameras.txt and images.txt.
        up: the up axis of its world; None: y, as in ours.

    Raises:
        ValueError: a line of another form, or a distorted lens.
    """
    lenses = {
        words[0]: _lens(words)
        for words in (line.split() for line in _lines(folder / "cameras.txt"))
        if words
    }
    names, matrices, intrinsics, sizes = [], [], [], []
    for words in _images(folder / "images.txt"):
        if words[8] not in lenses:
            raise ValueError(
                f"images.txt: {words[9]} was taken by camera {words[8]}, which cameras.txt doesn't"
                " have"
            )
        names.append(words[9])
        matrices.append(_cam_to_world(words))
        intrinsics.append(lenses[words[8]][0])
        sizes.append(lenses[words[8]][1])
    empty = np.zeros((0, 4, 4)), np.zeros((0, 3, 3)), np.zeros((0, 2), int)
    arrays = (np.stack(matrices), np.stack(intrinsics), np.array(sizes)) if names else empty
    return CameraTable(names, *arrays).from_world(up or "y")


def write_colmap(folder: Path, table: CameraTable, size: int | None) -> None:
    """Writes cameras.txt (one PINHOLE a lens), images.txt and an empty points3D.txt.

    Raises:
        ValueError: a skew, unknown size of the images, or a name with a line break.
    """
    sizes = table.without_skew().sized(size)
    if any("\n" in name for name in table.names):
        raise ValueError("a name with a line break can't be written into images.txt")
    lenses: dict[str, int] = {}
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of points"]
    for number, (name, matrix) in enumerate(zip(table.names, table.cam_to_world, strict=True), 1):
        lens = _lens_text(table.intrinsics[number - 1], sizes[number - 1])
        rotation, translation = matrix[:3, :3].T, -matrix[:3, :3].T @ matrix[:3, 3]
        placed = " ".join(f"{value:.17g}" for value in (*_quaternion(rotation), *translation))
        images += [f"{number} {placed} {lenses.setdefault(lens, len(lenses) + 1)} {name}", ""]
    cameras = [
        "# CAMERA_ID MODEL WIDTH HEIGHT PARAMS",
        *(f"{number} {lens}" for lens, number in lenses.items()),
    ]
    for file, lines in (
        ("cameras.txt", cameras),
        ("images.txt", images),
        ("points3D.txt", ["# no points"]),
    ):
        write_text(folder / file, "\n".join(lines) + "\n")


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{path} is missing: COLMAP's text model has cameras.txt and images.txt")
    return [
        line.strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]


def _images(path: Path) -> Iterator[list[str]]:
    """The ten words of each image. A line of points follows each, which may be empty; some writers
    leave it out.
    """
    lines = _lines(path)
    row = 0
    while row < len(lines):
        words = lines[row].split(maxsplit=9)
        row += 1
        if not words:
            continue
        if not _is_image(words):
            raise ValueError(
                f"images.txt: {lines[row - 1][:60]!r} isn't IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID"
                " NAME"
            )
        yield words
        if row < len(lines) and not _is_image(lines[row].split(maxsplit=9)):
            row += 1


def _is_image(words: list[str]) -> bool:
    """Ten words with a name: a line of points consists of numbers."""
    try:
        [float(word) for word in words[:9]]
    except ValueError:
        return False
    return len(words) == 10 and any(not _is_number(word) for word in words[9].split())


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _lens(words: list[str]) -> tuple[np.ndarray, tuple[int, int]]:
    model = words[1] if len(words) > 4 else "nothing"
    if model not in LENSES:
        raise ValueError(
            f"cameras.txt: {model} isn't one of {', '.join(LENSES)}: undistort the pictures with"
            " COLMAP first"
        )
    width, height = int(words[2]), int(words[3])
    parameters = [float(word) for word in words[4:]]
    places = LENSES[model]
    if len(parameters) <= max(places) or any(parameters[max(places) + 1 :]):
        raise ValueError(
            f"cameras.txt: camera {words[0]} has a distorted lens: undistort the pictures with"
            " COLMAP first"
        )
    fx, fy, cx, cy = (parameters[place] for place in places)
    return np.array([[fx / width, 0, cx / width], [0, fy / height, cy / height], [0, 0, 1.0]]), (
        width,
        height,
    )


def _lens_text(intrinsics: Float[np.ndarray, "3 3"], size: np.ndarray) -> str:
    width, height = (int(side) for side in size)
    pixels = (
        intrinsics[0, 0] * width,
        intrinsics[1, 1] * height,
        intrinsics[0, 2] * width,
        intrinsics[1, 2] * height,
    )
    return f"PINHOLE {width} {height} " + " ".join(f"{value:.17g}" for value in pixels)


def _cam_to_world(words: list[str]) -> Float[np.ndarray, "4 4"]:
    w, x, y, z = np.array([float(word) for word in words[1:5]]) / np.linalg.norm(
        [float(word) for word in words[1:5]]
    )
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.T
    matrix[:3, 3] = -rotation.T @ np.array([float(word) for word in words[5:8]])
    return matrix


def _quaternion(rotation: Float[np.ndarray, "3 3"]) -> list[float]:
    """(w, x, y, z), w ≥ 0, by the eigenvector method of Bar-Itzhack (2000), stable everywhere."""
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2]],
            [0, 0, r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2]],
            [0, 0, 0, r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    values, vectors = np.linalg.eigh(symmetric, UPLO="U")
    quaternion = vectors[:, values.argmax()]
    return [float(value) for value in (quaternion if quaternion[0] >= 0 else -quaternion)]
