"""Landmarks from files: a .json or .npz beside the photograph."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from teachers.plain_values import misfit, read_json_file

from .face import EYES_NOSE_MOUTH, DetectedFace, Landmarks, Picture
from .files import sidecars_of

EXPECTED = "expected landmarks, and perhaps size or frames"


class CachedLandmarks:
    """Reads `anna.json` or `anna.npz` (or `anna.jpg.json`, `anna.jpg.npz`) beside `anna.jpg`.

    The key `landmarks` holds one face `[point 2]` or several `[face point 2]`, 5, 68 or 478 points
    each, pixels of the upright photograph; further columns (depth) are ignored. `size`, [width,
    height], is the size to which they refer, if not the photograph's own. For a film, `frames`
    holds one face for each frame, `[frame point 2]`; null or NaN: none.

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
            if np.isfinite(landmarks).all()
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
            f"{path.name} has no {key}: "
            + ("a picture needs them" if frame is None else "a film needs one face a frame")
        )
    if frame is not None:
        if frame >= len(content[key]):
            raise ValueError(f"{path.name} has {len(content[key])} frames, but the film goes on")
        found = content[key][frame]
        return [] if found is None else [_points(path, found)]
    if len(content[key]) == 0:
        return []
    array = _numbers(path, content[key])
    return [_points(path, face) for face in (array if array.ndim == 3 else [array])]


def _points(path: Path, numbers: Any) -> Landmarks:
    array = _numbers(path, numbers)
    if array.ndim != 2 or array.shape[1] < 2 or len(array) not in EYES_NOSE_MOUTH:
        raise ValueError(
            f"{path.name} has landmarks of shape {list(array.shape)}: expected 5, 68 or 478 points"
            " with x and y"
        )
    return array[:, :2]


def _numbers(path: Path, numbers: Any) -> np.ndarray:
    try:
        return np.asarray(numbers, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        odd = next(filter(None, (misfit(numbers, kind) for kind in _TABLES)), str(error))
        raise ValueError(f"the landmarks of {path.name} are no table of numbers ({odd})") from error


_TABLES = (list[list[float]], list[list[list[float]]])


def _scale(path: Path, content: dict[str, Any], picture: Picture) -> np.ndarray:
    if content.get("size") is None:
        return np.ones(2)
    size = _numbers(path, content["size"]).reshape(-1)
    if len(size) != 2 or not (size > 0).all():
        raise ValueError(
            f"the size in {path.name} is {size.tolist()}: expected [width, height] of the picture"
            " that was measured"
        )
    return np.array(picture.image.size) / size
