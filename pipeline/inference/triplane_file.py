"""A lifted identity as one file: planes in safetensors, the teacher's passport in its metadata."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from pipeline.runs.tensor_file import write_tensors
from teachers.passport import Passport
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
    passport = Passport.from_dict(json.loads(metadata["passport"]))
    first, second, third = json.loads(metadata["axes"])
    box_size = json.loads(metadata["box_size"])
    axes = (first, second, third)
    return (
        Triplane(planes[None], axes, box_size, passport.plane_depth, passport.aggregation),
        passport,
    )
