"""Reading, writing and recognising camera files of all formats."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.runs.files import replaced_file
from teachers.plain_values import read_json_file, shown

from .colmap import has_points, is_model, model_folder, read_colmap, write_colmap
from .convention import Convention, seeming_convention
from .labels import CONVENTIONS, raw_labels, read_labels, write_labels
from .table import OPENCV_TO_OPENGL, WORLDS, CameraTable
from .transforms import read_transforms, write_transforms

Format = Literal["eg3d", "opengl", "blender", "nerf", "colmap"]
FORMATS: tuple[Format, ...] = ("eg3d", "opengl", "blender", "nerf", "colmap")


def format_of(path: Path) -> Format:
    """The format by a file's keys, or by the files in a folder; labels without a convention are
    EG3D's.

    Raises:
        ValueError: none of the formats.
    """
    if path.is_dir():
        if is_model(model_folder(path)):
            return "colmap"
        raise ValueError(
            f"{path} has no images.txt or images.bin, nor has sparse/0 below it: give COLMAP's"
            " folder, a dataset.json or a transforms.json"
        )
    if path.name in ("images.txt", "cameras.txt", "images.bin", "cameras.bin"):
        return "colmap"
    content = _json(path)
    if "frames" in content:
        return "nerf"
    if "labels" in content:
        said = content.get("convention", "eg3d")
        if said not in CONVENTIONS:
            raise ValueError(
                f"{path.name} says its convention is {said!r}: known are {', '.join(CONVENTIONS)}"
            )
        return "opengl" if said == "opengl" else "blender" if said == "blender" else "eg3d"
    raise ValueError(
        f"{path.name} holds {shown(content)}: expected a key 'labels' or 'frames', as lists of"
        " cameras have"
    )


def read_cameras(
    path: Path, convention: Format | None = None, *, up: str | None = None
) -> CameraTable:
    """The cameras of a file, in this project's convention.

    Args:
        path: dataset.json, transforms.json, or COLMAP's folder.
        convention: of the file; None: by `format_of`.
        up: the up axis of its world, y, z or -y; None: the format's usual one.

    Raises:
        ValueError: the file has another form.
    """
    convention = convention or format_of(path)
    if convention not in FORMATS or (up is not None and up not in WORLDS):
        raise ValueError(
            f"cannot read cameras as {convention}, {up} up: give one of {', '.join(FORMATS)}, and"
            " up=y, z or -y"
        )
    if convention == "colmap":
        return read_colmap(path if path.is_dir() else path.parent, up)
    content = _json(path)
    try:
        if convention == "nerf":
            return read_transforms(content, up)
        table = read_labels(content, convention)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return table if up is None else table.in_world(CONVENTIONS[convention][0]).from_world(up)


def write_cameras(
    path: Path,
    table: CameraTable,
    convention: Format,
    *,
    size: int | None = None,
    overwrite: bool = False,
    others: dict[str, Any] | None = None,
) -> None:
    """Writes a file, or all of COLMAP's folder, or nothing.

    Args:
        path: the file or folder; missing folders are made.
        table: the cameras.
        convention: the format.
        size: side of the images, pixels; for formats in pixels if the table has no sizes.
        overwrite: replace what is there; the other keys of labels stay.
        others: further keys of a file of labels, see `other_keys`.

    Raises:
        ValueError: the format can't hold these cameras.
        FileExistsError: there is something, and `overwrite` is false; or a COLMAP model with
            points, which would lose them.
    """
    if convention not in FORMATS:
        raise ValueError(f"cannot write cameras as {convention}: give one of {', '.join(FORMATS)}")
    _require_replaceable(path, convention, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    if convention == "colmap":
        write_colmap(path, table, size)
        return
    if convention != "nerf" and path.is_file():
        others = {**(others or {}), **other_keys(path)}
    with replaced_file(path) as temporary:
        if convention == "nerf":
            write_transforms(temporary, table, size)
        else:
            write_labels(temporary, table, convention, others or {})


def other_keys(path: Path) -> dict[str, Any]:
    """What a file of labels says besides them, such as EG3D's `alpha`; nothing for other files."""
    if not path.is_file() or path.suffix != ".json":
        return {}
    content = _json(path)
    known = ("labels", "convention")
    return {key: content[key] for key in content if key not in known} if "labels" in content else {}


def _require_replaceable(path: Path, convention: Format, overwrite: bool) -> None:
    is_folder = convention == "colmap"
    if is_folder and path.is_file():
        raise FileExistsError(f"{path} is a file: give a folder for COLMAP's files")
    if not is_folder and path.is_dir():
        raise FileExistsError(f"{path} is a folder: give a file, such as {path / 'cameras.json'}")
    there = [path] if path.is_file() else sorted(path.glob("*.txt")) + sorted(path.glob("*.bin"))
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} exists: choose another output=, or overwrite=true")
    if is_folder and there and has_points(path):
        raise FileExistsError(
            f"{path} holds a COLMAP model with points, which would be lost: choose another output="
        )


def seeming(path: Path) -> tuple[Convention, Format | None, bool]:
    """The most plausible convention of a file's matrices.

    Returns:
        the convention; the format that reads such matrices correctly (None: none); whether the
        intrinsics seem to be in pixels instead of normalised.
    """
    said = format_of(path)
    table = raw_labels(_json(path)) if said in CONVENTIONS else read_cameras(path, said)
    matrices = table.cam_to_world
    if said == "nerf":
        matrices = table.in_world("z").cam_to_world @ OPENCV_TO_OPENGL
    convention = seeming_convention(matrices)
    is_pixels = bool(np.abs(table.intrinsics[:, :2]).max() > 40)
    if convention.direction != "camera-to-world":
        return convention, None, is_pixels
    if said in ("nerf", "colmap"):
        fits = convention.axes == ("OpenGL" if said == "nerf" else "OpenCV")
        return convention, said if fits else None, is_pixels
    fitting: Format = (
        "eg3d" if convention.axes == "OpenCV" else "blender" if convention.up == "z" else "opengl"
    )
    return convention, fitting, is_pixels


def correction(
    convention: Convention, fitting: Format | None, said: Format, up: str | None
) -> str | None:
    """What to change so that a file is read as it seems to be; None: nothing.

    Args:
        convention: by `seeming`, as is `fitting`.
        fitting: the format that reads such matrices correctly.
        said: the format in which the file is read.
        up: the up axis with which it is read; None: the format's usual one.
    """
    if not convention.is_sure:
        return None
    if fitting is None:
        return "invert its matrices: they seem to be world-to-camera, or flip y and z"
    if {fitting, said} == {"opengl", "blender"}:
        fitting = said  # their worlds alone differ, which up= says
    settings = [] if fitting == said else [f"from={fitting}"]
    # COLMAP's worlds are taken as they come: any axis may be up
    is_wrong_up = fitting != "colmap" and convention.up != (up or _usual_up(fitting))
    if convention.is_up_sure and is_wrong_up:
        if convention.up not in WORLDS:
            return (
                f"turn its world or its pictures: {convention.up} seems to be up, and only worlds"
                f" with {', '.join(WORLDS)} up can be read"
            )
        settings.append(f"up={convention.up}")
    return f"read it with {' '.join(settings)}" if settings else None


def _usual_up(convention: Format) -> str:
    if convention in CONVENTIONS:
        return CONVENTIONS[convention][0]
    return "z" if convention == "nerf" else "y"


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: give a file of cameras")
    return read_json_file(
        path, dict[str, Any], "give dataset.json, transforms.json, or COLMAP's folder"
    )
