"""Writes EG3D-style collections: one uncompressed zip of images with `dataset.json`.

`pipeline.data.photographs` reads them.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.runs.files import replaced_file

INDEX = "dataset.json"
"""The file that names the pictures and their camera labels: {"labels": [[name, [25 numbers]],
...]}.
"""


def write_dataset(
    path: Path,
    pictures: Iterator[tuple[bytes, list[float]]],
    extra: dict[str, str | int | float] | None = None,
) -> Path:
    """Writes PNG files and their labels as one uncompressed zip.

    Args:
        path: the zip; it appears when it is complete.
        pictures: PNG bytes and a 25-number label each, in order; consumed one by one.
        extra: other keys of `dataset.json`, such as {"alpha": "premultiplied"}.

    Returns:
        The path.

    Raises:
        ValueError: there were no pictures.
    """
    path = Path(path)
    with (
        replaced_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        labels = [_add(archive, number, png, label) for number, (png, label) in enumerate(pictures)]
        if not labels:
            raise ValueError(f"There are no pictures to write into {path}: ask for at least one.")
        archive.writestr(INDEX, json.dumps({"labels": labels, **(extra or {})}))
    return path


def picture_name(number: int) -> str:
    """EG3D's name of a picture: a thousand to a folder."""
    return f"{number // 1000:05d}/img{number:08d}.png"


def png_bytes(pixels: np.ndarray) -> bytes:
    """The PNG file of a uint8 array `[height width channel]` with 3 or 4 channels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _add(
    archive: zipfile.ZipFile, number: int, png: bytes, label: list[float]
) -> list[str | list[float]]:
    archive.writestr(picture_name(number), png)
    return [picture_name(number), label]
