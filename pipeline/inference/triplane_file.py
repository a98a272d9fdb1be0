"""A lifted identity as one file: planes in safetensors, the teacher's passport in its metadata."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.runs.tensor_file import write_tensors
from teachers.passport import Passport
from teachers.plain_values import parse_json
from teachers.rendering.triplane import Triplane

FORMAT = "trilift triplane 1"


def save_triplane(
    path: Path, triplane: Triplane, passport: Passport, hooks: Sequence[dict[str, Any]] = ()
) -> None:
    """Writes `planes` [3 channel height width] of one identity; the axes and the box are in the
    metadata, too, and the hooks that edited the photograph, if there were any.

    The file appears whole or not at all; missing folders are made.

    Raises:
        ValueError: the triplane holds several identities.
    """
    if len(triplane) != 1:
        raise ValueError(
            f"a triplane file holds one identity, got {len(triplane)}: save them one by one"
        )
    metadata = {
        "format": FORMAT,
        "passport": passport.to_json(),
        "axes": json.dumps(triplane.axes),
        "box_size": json.dumps(triplane.box_size),
    }
    if hooks:
        metadata["hooks"] = json.dumps(list(hooks))
    write_tensors(path, {"planes": triplane.planes[0]}, metadata)


def read_triplane(path: Path, device: str | torch.device = "cpu") -> tuple[Triplane, Passport]:
    """Reads what `save_triplane` wrote.

    Raises:
        ValueError: the file is none of ours.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(
                    f"{path} is {metadata.get('format', 'something else')!r}, expected {FORMAT!r}:"
                    " give a triplane.safetensors"
                )
            planes = file.get_tensor("planes")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} can't be read as a triplane: {error}") from error
    source = f"the metadata of {path}"
    missing = [key for key in ("passport", "axes", "box_size") if key not in metadata]
    if missing:
        raise ValueError(f"{source} lack {missing[0]}: lift again")
    passport = Passport.from_json(metadata["passport"], source)
    first, second, third = parse_json(metadata["axes"], f"axes in {source}", tuple[str, str, str])
    box_size = parse_json(metadata["box_size"], f"box_size in {source}", float)
    _require_planes(planes, passport, path)
    axes = (first, second, third)
    return (
        replace(passport.triplane(planes[None]), axes=axes, box_size=box_size),
        passport,
    )


def _require_planes(planes: Tensor, passport: Passport, path: Path) -> None:
    """Raises ValueError unless the planes have the passport's shape and are finite."""
    side = passport.plane_resolution
    wanted = [3, passport.stored_channels, side, side]
    if list(planes.shape) != wanted:
        raise ValueError(
            f"the planes in {path} have the shape {list(planes.shape)}, its passport says {wanted}:"
            " lift again"
        )
    if not planes.isfinite().all():
        raise ValueError(f"the planes in {path} hold something that isn't a finite number")
