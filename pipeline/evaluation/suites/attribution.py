"""Error attribution: one stage of a lift at a time (camera, planes, decoder, super-resolution) is
replaced by the teacher's own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.captures.camera_fit import fit_camera
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.resizing import resized
from pipeline.evaluation.tables import CellValue, table
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer, TriplaneRenderer
from teachers.rendering.triplane import Triplane

STAGES = ("camera", "planes", "decoder", "super-resolution")


@dataclass(frozen=True)
class ReferenceHead:
    """An identity of the teacher of which every stage is known.

    Attributes:
        image: the input.
        triplane: its planes.
        renderer: the teacher's.
        cameras: of the views; the first is the input's.
    """

    image: Float[Tensor, "3 height width"]
    triplane: Triplane
    renderer: Renderer
    cameras: Camera


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Settings of the attribution.

    Args:
        items: number of identities; 0 disables it.
        methods: names of the methods whose errors are attributed.
        rounds: of the search for the input's camera (see `fit_camera`); 0 always uses the true
            camera.
    """

    items: int = 6
    methods: list[str] | tuple[str, ...] = ("student",)
    rounds: int = 6

    def as_dict(self) -> dict[str, Any]:
        """For settings."""
        return {**vars(self), "methods": list(self.methods)}


@torch.no_grad()
def attribution_table(
    methods: Sequence[MethodEntry], heads: Sequence[ReferenceHead], settings: Attribution
) -> dict[str, Any]:
    """Errors of the images with all stages estimated, with one of them the teacher's, and with only
    one of them estimated.
    """
    rows: list[list[CellValue]] = []
    for method in methods:
        if method.name in settings.methods:
            rows += _rows(method, heads, settings)
    columns = [
        "method",
        "stage",
        "RMS error with it true",
        "share of the error removed",
        "RMS error with it alone estimated",
    ]
    notes = [
        (
            "errors are root mean squares over all views of images in [-1, 1]; shares are of the"
            " mean square and need not add up to 1"
        ),
        (
            "the estimated camera is the one at which the lifted subject is most similar to the"
            " input; the other cameras move with it"
        ),
    ]
    return table(f"error attribution, {len(heads)} identities of the teacher", columns, rows, notes)


def _rows(
    method: MethodEntry, heads: Sequence[ReferenceHead], settings: Attribution
) -> list[list[CellValue]]:
    subsets = {"nothing": frozenset(), "everything": frozenset(STAGES)}
    subsets |= {stage: frozenset({stage}) for stage in STAGES}
    subsets |= {f"all but {stage}": frozenset(STAGES) - {stage} for stage in STAGES}
    squares = dict.fromkeys(subsets, 0.0)
    for head in heads:
        portrait = method.lift(resized(head.image[None], method.image_size or head.image.shape[-1]))
        estimated = _estimated_cameras(portrait, head, settings.rounds)
        reference = _rendered(head.renderer, head.triplane, head.cameras)
        for name, true in subsets.items():
            seen = _rendered(
                _renderer(portrait, head, true), *_scene(portrait, head, estimated, true)
            )
            squares[name] += float(
                (seen.clamp(-1, 1) - reference.clamp(-1, 1)).square().mean()
            ) / len(heads)
    whole = squares["nothing"]
    rows: list[list[CellValue]] = [
        [method.name, "none: all estimated", math.sqrt(whole), 0.0, math.sqrt(whole)]
    ]
    for stage in STAGES:
        gone = 1 - squares[stage] / whole if whole > 0 else 0.0
        rows.append(
            [
                method.name,
                stage,
                math.sqrt(squares[stage]),
                gone,
                math.sqrt(squares[f"all but {stage}"]),
            ]
        )
    rows.append(
        [
            method.name,
            "all of them",
            math.sqrt(squares["everything"]),
            1.0 if whole > 0 else 0.0,
            math.sqrt(squares["everything"]),
        ]
    )
    return rows


def _scene(
    portrait: LiftedPortrait, head: ReferenceHead, estimated: Camera, true: frozenset[str]
) -> tuple[Triplane, Camera]:
    triplane = head.triplane if "planes" in true else portrait.triplane
    return triplane, head.cameras if "camera" in true else estimated


def _renderer(portrait: LiftedPortrait, head: ReferenceHead, true: frozenset[str]) -> Renderer:
    """The decoder's renderer with the super-resolution of one or the other."""
    own = portrait.lifter.renderer
    decodes, resolves = (
        head.renderer if stage in true else own for stage in ("decoder", "super-resolution")
    )
    # A kind's other parts (ray samples, a learned sampler, a background network) are made for its
    # decoder and go with it.
    if decodes is resolves or not isinstance(decodes, TriplaneRenderer):
        return decodes
    if not isinstance(resolves, TriplaneRenderer) or type(decodes) is not type(resolves):
        return decodes  # no part fits the other
    mixed = decodes.changed()
    mixed.super_resolution = resolves.super_resolution
    return mixed


def _rendered(
    renderer: Renderer, triplane: Triplane, cameras: Camera
) -> Float[Tensor, "view 3 height width"]:
    cameras = cameras.to(triplane.planes)
    return torch.cat(
        [renderer(triplane, cameras[row : row + 1]).image for row in range(len(cameras))]
    )


def _estimated_cameras(portrait: LiftedPortrait, head: ReferenceHead, rounds: int) -> Camera:
    """The cameras as estimated from the input alone, given the poses of the others relative to its
    camera.
    """
    if rounds == 0:
        return head.cameras
    given = fit_camera(portrait, head.image, rounds=rounds).camera.to(head.cameras.cam_to_world)
    frame = given.cam_to_world @ torch.linalg.inv(head.cameras.cam_to_world[:1])
    others = Camera(frame @ head.cameras.cam_to_world[1:], head.cameras.intrinsics[1:])
    return Camera.cat([given, others])
