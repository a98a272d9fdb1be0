"""Methods that come as files: a suite's inputs and cameras are exported, another program's
predictions are read.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired

import torch
from tqdm import tqdm

from pipeline.evaluation.items import NAME, Item, ItemViews
from pipeline.evaluation.suites.suite import Suite
from pipeline.pictures import write_png
from pipeline.portraits.cameras.labels import LabelFile
from pipeline.runs.files import sha256_of_file, write_json
from teachers.plain_values import read_json_file
from teachers.rendering.camera import Camera

from .picture_store import REFERENCE, read_views

CAMERAS = "cameras.json"
TOLERANCE = 1e-3
"""Largest difference in any number of two labels of the same camera."""

RESERVED = (REFERENCE, "input")
"""Owners of an evaluation's own files, which no method may be called."""


def require_unique_names(methods: Sequence[str], foreign: Sequence["ForeignMethod"]) -> None:
    """Raises ValueError if predictions bear the name of a method or of other predictions: their
    files and scores would replace each other's.
    """
    taken = {name.casefold(): f"the method {name}" for name in methods}
    for one in foreign:
        other = taken.setdefault(one.name.casefold(), str(one.folder))
        if other != str(one.folder):
            raise ValueError(
                f"the predictions in {one.folder} and {other} have one name, {one.name!r}: give"
                f" another `name` in {one.folder / CAMERAS}"
            )


def export_suite(suite: Suite, folder: Path) -> int:
    """Writes a suite's input images and `cameras.json`; returns the number of inputs.

    `labels` has a line for each view to predict (file, EG3D's 25 numbers), `inputs` one for each
    input image (the same; null if the camera is unknown).
    """
    inputs, labels = [], []
    for item in tqdm(suite.items(), desc="exporting", unit="item", mininterval=1):
        if item.image is None:
            continue
        write_png(folder / "inputs" / f"{item.name}.png", item.image)
        inputs.append(
            [
                f"inputs/{item.name}.png",
                None if item.camera is None else item.camera.label()[0].tolist(),
            ]
        )
        labels += [
            [file_of(item.name, view), label]
            for view, label in enumerate(item.targets.label().tolist())
        ]
    manifest = {
        "suite": suite.name,
        "settings": suite.settings(),
        "name": "method",
        "title": "",
        "labels": labels,
        "inputs": inputs,
    }
    write_json(folder / CAMERAS, manifest, indent=1)
    return len(inputs)


def file_of(item: str, view: int) -> str:
    """File name of a view in a folder of predictions."""
    return f"{item}_{view}.png"


class _Described(LabelFile):
    name: NotRequired[str | float | None]
    title: NotRequired[str | float | None]


@dataclass(frozen=True)
class ForeignMethod:
    """A folder with an image ITEM_VIEW.png for each view and optionally ITEM_VIEW.safetensors with
    depth and opacity.

    Attributes:
        name, title: in reports.
        folder: of the images.
        cameras: file → the label of the camera with which it was rendered.
    """

    name: str
    title: str
    folder: Path
    cameras: dict[str, tuple[float, ...]]

    @classmethod
    def read(cls, folder: Path) -> "ForeignMethod":
        """Reads `cameras.json`: `labels`, and `name` and `title` of the method.

        Raises:
            ValueError: it is missing or damaged, or the name is one of `RESERVED`.
        """
        described = _described(folder / CAMERAS)
        name = str(described.get("name") or folder.name)
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{folder / CAMERAS} names the method {name!r}: use letters, digits, . and -"
            )
        if name in RESERVED:
            raise ValueError(
                f"{folder / CAMERAS} names the method {name!r}, as the evaluation calls its own"
                " files: give it another name"
            )
        labels = described["labels"]
        if twice := [
            file for file, count in Counter(file for file, _ in labels).items() if count > 1
        ]:
            raise ValueError(
                f"{folder / CAMERAS} has two labels for {twice[0]}: a view has one camera"
            )
        cameras = {file: tuple(map(float, label)) for file, label in labels}
        return cls(name, str(described.get("title") or name), folder, cameras)

    def sha256(self) -> str:
        """Hash of the camera list and of every predicted file."""
        files = [
            self.folder / CAMERAS,
            *sorted(path for path in self.folder.glob("*_*.*") if path.is_file()),
        ]
        return hashlib.sha256(
            "".join(f"{path.name} {sha256_of_file(path)}\n" for path in files).encode()
        ).hexdigest()

    def views(self, item: Item) -> ItemViews | None:
        """The predicted views of an item; None unless all are present.

        Raises:
            ValueError: one was rendered with another camera than the suite's, or is damaged.
        """
        files = [file_of(item.name, view) for view in range(len(item.targets))]
        if not all((self.folder / file).is_file() for file in files):
            return None
        for view, file in enumerate(files):
            self._require_camera(file, item.targets[view : view + 1])
        return read_views(
            [self.folder / file for file in files],
            [(self.folder / file).with_suffix(".safetensors") for file in files],
            must_be_finite=True,
        )

    def require_some(self, items: Sequence[str], suite: str) -> None:
        """Raises ValueError if the folder has no image of any item of the suite: they are another
        suite's, or another split's.
        """
        if any((self.folder / file_of(item, 0)).is_file() for item in items):
            return
        found = next((path.name for path in sorted(self.folder.glob("*.png"))), "no .png")
        raise ValueError(
            f"{self.folder} has none of the images of suite={suite}: {file_of(items[0], 0)} is the"
            f" first of them, {found} was found. Export this suite, and predict its inputs"
        )

    def _require_camera(self, file: str, wanted: Camera) -> None:
        if file not in self.cameras:
            raise ValueError(
                f"{self.folder / CAMERAS} has no label for {file}: copy `labels` from the export of"
                " this suite"
            )
        difference = (torch.tensor(self.cameras[file]) - wanted.label()[0]).abs().max().item()
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{file} was rendered with another camera than the suite's (a number of its"
                f" label differs by {difference:.3g}): export the suite with the same settings, and"
                " render with its cameras"
            )


def _described(path: Path) -> _Described:
    advice = "`trilift evaluate export=FOLDER` shows what is expected"
    try:
        return read_json_file(path, _Described, advice)
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing: `trilift evaluate export=FOLDER` writes one"
        ) from None
