"""COLMAP's models: cameras.txt (intrinsics in pixels) and images.txt (world-to-camera quaternions,
OpenCV's axes), or the same in binary.
"""

import math
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.runs.files import write_texts
from teachers.plain_values import is_number_text

from .colmap_binary import ImageRecord, LensRecord, read_binary
from .table import CameraTable

LENSES = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2),
    "PINHOLE": (0, 1, 2, 3),
    "SIMPLE_RADIAL": (0, 0, 1, 2),
    "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3),
}
"""Model → indices of fx, fy, cx and cy among its parameters; those behind them are distortion."""

IMAGE_FORM = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"


def read_colmap(folder: Path, up: str | None = None) -> CameraTable:
    """The registered images, in the order of the file.

    Args:
        folder: with cameras.txt and images.txt, or the same in binary (.bin); or the project's,
            with the model in sparse/0.
        up: the up axis of its world; None: y, as in ours.

    Raises:
        ValueError: a line of another form (with its number), or a distorted lens that an image was
            taken with.
    """
    folder = model_folder(folder)
    cameras, images = (
        read_binary(folder) if is_binary(folder) else (_cameras(folder), _images(folder))
    )
    lenses: dict[int, tuple[np.ndarray, tuple[int, int]]] = {}
    names, matrices, intrinsics, sizes = [], [], [], []
    for image in images:
        if image.camera not in cameras:
            raise ValueError(
                f"{image.where}: {image.name} was taken by camera {image.camera}, which"
                f" {'cameras.bin' if is_binary(folder) else 'cameras.txt'} doesn't have"
            )
        if image.camera not in lenses:
            lenses[image.camera] = _lens(cameras[image.camera])
        names.append(image.name)
        matrices.append(_cam_to_world(image))
        intrinsics.append(lenses[image.camera][0])
        sizes.append(lenses[image.camera][1])
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
    files = {"cameras.txt": cameras, "images.txt": images, "points3D.txt": ["# no points"]}
    write_texts(folder, {name: "\n".join(lines) + "\n" for name, lines in files.items()})


def model_folder(folder: Path) -> Path:
    """The folder of the model: itself, or `sparse/0` or `sparse` below it."""
    candidates = (folder, folder / "sparse" / "0", folder / "sparse")
    return next((one for one in candidates if is_model(one)), folder)


def is_model(folder: Path) -> bool:
    """Whether a folder holds the images of a model, as text or binary."""
    return (folder / "images.txt").is_file() or is_binary(folder)


def is_binary(folder: Path) -> bool:
    """Whether a folder holds a binary model only."""
    return (folder / "images.bin").is_file() and not (folder / "images.txt").is_file()


def has_points(folder: Path) -> bool:
    """Whether a model holds points of the scene or of its images, or is a binary one."""
    if any(folder.glob("*.bin")):
        return True
    points, images = folder / "points3D.txt", folder / "images.txt"
    if points.is_file() and any(line for _, line in _lines(points)):
        return True
    lines = [line for _, line in _image_lines(images)] if images.is_file() else []
    if _alternates(lines):
        return any(lines[1::2])
    return not _are_images([line for line in lines if line])


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbers, from 1, and contents of the lines that are no comments."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: COLMAP's text model has cameras.txt and images.txt")
    # names of files that are no UTF-8 keep their bytes, as Python's own paths do
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return [
        (number, line.strip())
        for number, line in enumerate(lines, 1)
        if not line.lstrip().startswith("#")
    ]


def _cameras(folder: Path) -> dict[int, LensRecord]:
    cameras = {}
    for number, line in _lines(folder / "cameras.txt"):
        words = line.split()
        if not words:
            continue
        where = f"cameras.txt, line {number}"
        try:
            key, model = int(words[0]), words[1]
            width, height = int(words[2]), int(words[3])
            parameters = [float(word) for word in words[4:]]
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"{where}: {line[:80]!r} isn't CAMERA_ID MODEL WIDTH HEIGHT PARAMS"
            ) from error
        cameras[key] = LensRecord(where, key, model, width, height, parameters)
    return cameras


def _images(folder: Path) -> Iterator[ImageRecord]:
    """The images. A line of points follows each, which may be empty; some writers leave it out:
    then no line is one of points.
    """
    lines = _image_lines(folder / "images.txt")
    filled = [(number, line) for number, line in lines if line]
    if _alternates([line for _, line in lines]):
        placed = lines[::2]
    elif _are_images([line for _, line in filled]):
        placed = filled
    else:
        placed = _between_points(lines)
    for number, line in placed:
        yield _image(number, line)


def _image_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of images.txt from the first that isn't empty."""
    return list(dropwhile(lambda numbered: not numbered[1], _lines(path)))


def _between_points(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines of images where superfluous empty lines are between them and those of points.

    Raises:
        ValueError: something else keeps them from alternating.
    """
    images: list[tuple[int, str]] = []
    is_numbered = _is_numbered([line for _, line in lines])
    follows_image = False
    for number, line in lines:
        if follows_image and _may_be_points(line):
            follows_image = False
        elif line:
            if follows_image or not _is_image(line, is_numbered):
                raise ValueError(
                    f"images.txt, line {number}: {line[:60]!r} isn't"
                    f" {'X Y POINT3D_ID …' if follows_image else IMAGE_FORM}: expected a line of"
                    " points, which may be empty, below each image, or none in the file"
                )
            images.append((number, line))
            follows_image = True
    return images


def _are_images(lines: list[str]) -> bool:
    """Whether all are images for certain, none a line of points."""
    is_numbered = _is_numbered(lines)
    return all(_is_image(line, is_numbered) for line in lines)


def _is_numbered(lines: list[str]) -> bool:
    """Whether all names of images are numbers."""
    return all(_is_numeric(line) for line in lines)


def _alternates(lines: list[str]) -> bool:
    """Whether every second line is one of points, as COLMAP writes them: those, and only those,
    may be empty or triples of numbers.
    """
    return all(_may_be_image(line) for line in lines[::2]) and all(
        _may_be_points(line) for line in lines[1::2]
    )


def _may_be_points(line: str) -> bool:
    return len(line.split()) % 3 == 0 and _is_numeric(line)


def _may_be_image(line: str) -> bool:
    words = line.split(maxsplit=9)
    return len(words) == 10 and words[0].isdigit() and all(map(is_number_text, words[:9]))


def _is_image(line: str, is_numbered: bool) -> bool:
    """Whether it is one for certain. A long line of points, or its beginning, has the form of an
    image whose name is numbers: where others have names that aren't, it is none.
    """
    if is_numbered:
        return _may_be_image(line) and not _may_be_points(line)
    return _may_be_image(line) and not _is_numeric(line)


def _is_numeric(line: str) -> bool:
    return all(is_number_text(word) for word in line.split())


def _image(number: int, line: str) -> ImageRecord:
    where, words = f"images.txt, line {number}", line.split(maxsplit=9)
    try:
        values = [float(word) for word in words[1:8]]
        return ImageRecord(where, values[:4], values[4:], int(words[8]), words[9])
    except (ValueError, IndexError) as error:
        raise ValueError(f"{where}: {line[:60]!r} isn't {IMAGE_FORM}") from error


def _lens(lens: LensRecord) -> tuple[np.ndarray, tuple[int, int]]:
    """Normalised intrinsics and size of a lens that an image was taken with."""
    if lens.model not in LENSES:
        raise ValueError(
            f"{lens.where}: {lens.model} isn't one of {', '.join(LENSES)}: undistort the pictures"
            " with COLMAP first"
        )
    places = LENSES[lens.model]
    if len(lens.parameters) <= max(places):
        raise ValueError(
            f"{lens.where}: camera {lens.number} has {len(lens.parameters)} parameters, a"
            f" {lens.model} has at least {max(places) + 1}"
        )
    if any(lens.parameters[max(places) + 1 :]):
        raise ValueError(
            f"{lens.where}: camera {lens.number} has a distorted lens: undistort the pictures with"
            " COLMAP first"
        )
    fx, fy, cx, cy = (lens.parameters[place] for place in places)
    if not (0 < lens.width < 1 << 31 and 0 < lens.height < 1 << 31):
        raise ValueError(
            f"{lens.where}: camera {lens.number} is {lens.width} x {lens.height} pixels: write its"
            " size"
        )
    if not (0 < fx < math.inf and 0 < fy < math.inf and math.isfinite(cx) and math.isfinite(cy)):
        raise ValueError(
            f"{lens.where}: camera {lens.number} has focal lengths {fx:g}, {fy:g}, centre {cx:g},"
            f" {cy:g}: expected positive and finite pixels"
        )
    return np.array(
        [
            [fx / lens.width, 0, cx / lens.width],
            [0, fy / lens.height, cy / lens.height],
            [0, 0, 1.0],
        ]
    ), (lens.width, lens.height)


def _lens_text(intrinsics: Float[np.ndarray, "3 3"], size: np.ndarray) -> str:
    width, height = (int(side) for side in size)
    pixels = (
        intrinsics[0, 0] * width,
        intrinsics[1, 1] * height,
        intrinsics[0, 2] * width,
        intrinsics[1, 2] * height,
    )
    return f"PINHOLE {width} {height} " + " ".join(f"{value:.17g}" for value in pixels)


def _cam_to_world(image: ImageRecord) -> Float[np.ndarray, "4 4"]:
    length = math.hypot(*image.quaternion)
    if not (1e-9 < length < math.inf and all(map(math.isfinite, image.translation))):
        raise ValueError(
            f"{image.where}: {image.name} has the quaternion {image.quaternion} and the translation"
            f" {image.translation}: that is no rotation, register the image again"
        )
    w, x, y, z = (value / length for value in image.quaternion)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.T
    matrix[:3, 3] = -rotation.T @ np.array(image.translation)
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
