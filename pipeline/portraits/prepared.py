"""Crops with known cameras: the output of `trilift prepare`, or any folder in EG3D's format."""

import json
import math
from functools import cache
from pathlib import Path

import torch

from teachers.rendering.camera import Camera

from .face import Picture
from .framing import Framed, WholePicture

INDEX = "dataset.json"


class PreparedCrops:
    """All of each picture, with its camera from a dataset.json beside it or up to two levels above.

    A picture that the file doesn't list has an unknown camera, with a note.
    """

    def frame(self, picture: Picture) -> list[Framed]:
        """The picture itself; ValueError if it isn't square, or there is no dataset.json."""
        (whole,) = WholePicture().frame(picture)
        path = _index_of(picture.source)
        label = _labels(path, path.stat().st_mtime_ns).get(
            picture.source.resolve().relative_to(path.parent).as_posix()
        )
        if label is None:
            return [Framed(whole.crop, note=f"pose unknown: {path.name} doesn't name this picture")]
        return [Framed(whole.crop, Camera.from_label(torch.tensor([label])))]


def _index_of(source: Path) -> Path:
    for folder in source.resolve().parents[:3]:
        if (folder / INDEX).is_file():
            return folder / INDEX
    where = "beside the picture or up to two folders above"
    raise ValueError(
        f"no {INDEX} {where}: give the crops of a folder that trilift prepare wrote, or"
        " portraits=whole"
    )


@cache
def _labels(path: Path, changed: int) -> dict[str, list[float]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["labels"]
        labels = {str(name): [float(number) for number in label] for name, label in entries}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} isn't understood ({error!r}): expected labels, a list of [file name, [25"
            " numbers]]"
        ) from error
    if len(labels) < len(entries):
        raise ValueError(f"{path} has two labels for one picture: keep the right one")
    if not all(len(label) == 25 and all(map(math.isfinite, label)) for label in labels.values()):
        raise ValueError(
            f"{path} has labels that aren't 25 finite numbers: `trilift cameras input={path}` says"
            " more"
        )
    return labels
