"""Landmarks from files: a .json or .npz beside the photograph."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from teachers.plain_values import misfit, read_json_file, shown

from .face import EYES_NOSE_MOUTH, DetectedFace, Landmarks, Picture, coincide
from .files import sidecars_of

EXPECTED = "expected landmarks, and perhaps size or frames"


class CachedLandmarks:
    """Reads `anna.json` or `anna.npz` (or `anna.jpg.json`, `anna.jpg.npz`) beside `anna.jpg`.

    The key `landmarks` holds one face `[point 2]` or several `[face point 2]`, 5, 68 or 478 points
    each, pixels of the upright photograph; further columns (depth) are ignored. `size`, [width,
    height], is the size to which they refer, if not the photograph's own. For a film, `frames`
    holds one face for each frame, `[frame point 2]`; null, NaN or points that all lie in one place:
    none.

    Args:
        folder: of the files; None: beside the photographs.
    """

    name = "landmarks"

    def __init__(self, folder: str | None = None) -> None:
        self.folder = None if folder is None else Path(folder)

    def detect(self, picture: Picture) -> list[DetectedFace]:
        """The faces in the file.

        Raises:
            ValueError: no file, or one of another form.
        """
        path = self._path(picture.source)
        content = _read(path)
        faces = _faces(path, content, picture.frame)
        scale = _scale(path, content, picture)
        return [
            DetectedFace.around(landmarks * scale)
            for landmarks in faces
            if np.isfinite(landmarks).all() and not coincide(landmarks)
        ]

    def _path(self, source: Path) -> Path:
        found = sidecars_of(source, self.folder)
        if not found:
            raise ValueError(
                f"no landmarks: neither {source.stem}.json nor {source.stem}.npz is in"
                f" {self.folder or source.parent}"
            )
        return found[0]


def _read(path: Path) -> dict[str, Any]:
    if path.suffix == ".json":
        return read_json_file(path, dict[str, Any], EXPECTED)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path.name} isn't understood ({error}): {EXPECTED}") from error


def _faces(path: Path, content: dict[str, Any], frame: int | None) -> list[Landmarks]:
    key = "landmarks" if frame is None else "frames"
    if key not in content:
        raise ValueError(
            f"{path.name} has no {key}, only {shown(list(content))}: "
            + ("a picture needs them" if frame is None else "a film needs one face a frame")
        )
    values = content[key]
    if not isinstance(values, list) and np.ndim(values) == 0:
        raise ValueError(f"{path.name}: {key} is {shown(values)}: expected a list")
    if frame is not None:
        if frame >= len(values):
            raise ValueError(f"{path.name} has {len(values)} frames, but the film goes on")
        found = values[frame]
        return [] if found is None else [_points(path, f"frames[{frame}]", found)]
    if len(values) == 0:
        return []
    if not _is_of_faces(values):
        return [_points(path, key, values)]
    return [_points(path, f"{key}[{number}]", face) for number, face in enumerate(values)]


def _is_of_faces(values: Any) -> bool:
    """Whether they are several faces' points, not one's."""
    if isinstance(values, np.ndarray):
        return values.ndim == 3
    first = values[0]
    return isinstance(first, list) and bool(first) and isinstance(first[0], list)


def _points(path: Path, what: str, numbers: Any) -> Landmarks:
    array = _numbers(path, what, numbers, list[list[float]])
    if array.ndim != 2 or array.shape[1] < 2 or len(array) not in EYES_NOSE_MOUTH:
        raise ValueError(
            f"{path.name}: {what} has the shape {list(array.shape)}, {shown(numbers)}: expected 5,"
            " 68 or 478 points with x and y"
        )
    return array[:, :2]


def _numbers(path: Path, what: str, numbers: Any, kind: Any) -> np.ndarray:
    """JSON's lists or an array as numbers, of which any may be NaN."""
    if isinstance(numbers, np.ndarray):
        if numbers.dtype.kind not in "fiu":
            raise ValueError(f"{path.name}: {what} is of {numbers.dtype}: expected numbers")
        return numbers.astype(np.float64)
    if misfit(_without_nan(numbers), kind):
        raise ValueError(f"{path.name}: {misfit(numbers, kind, what)}")
    try:
        return np.array(numbers, dtype=np.float64)
    except ValueError as error:  # all are numbers, but the rows have other lengths
        at = next(at for at, row in enumerate(numbers) if len(row) != len(numbers[0]))
        raise ValueError(
            f"{path.name}: {what}[{at}] is {shown(numbers[at])}: expected {len(numbers[0])} numbers"
            " as in the first row"
        ) from error


def _without_nan(values: Any) -> Any:
    if isinstance(values, list):
        return [_without_nan(one) for one in values]
    return 0.0 if isinstance(values, float) and math.isnan(values) else values


def _scale(path: Path, content: dict[str, Any], picture: Picture) -> np.ndarray:
    if content.get("size") is None:
        return np.ones(2)
    size = _numbers(path, "size", content["size"], list[float]).reshape(-1)
    if len(size) != 2 or not (size > 0).all():
        raise ValueError(
            f"{path.name}: size is {shown(content['size'])}: expected [width, height] of the"
            " picture that was measured"
        )
    return np.array(picture.image.size) / size
