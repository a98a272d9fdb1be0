"""Crops with known cameras: the output of `trilift prepare`, or any folder in EG3D's format."""

from collections import Counter
from functools import cache
from pathlib import Path

import torch

from teachers.plain_values import read_json_file
from teachers.rendering.camera import Camera

from .cameras.labels import LabelFile
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
    advice = f"`trilift cameras input={path}` says more"
    entries = read_json_file(path, LabelFile, advice)["labels"]
    names = Counter(name for name, _ in entries)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"{path} has {names[twice[0]]} labels for {twice[0]}: keep the right one")
    return {name: [float(number) for number in label] for name, label in entries}
