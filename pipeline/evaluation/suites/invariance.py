"""Invariance of a lift to transformations of the input: roll, zoom, shift, crop, flip, light.

The canonical planes and the frontal view should not change when the input is transformed. In LP3D's
ablation the model without camera augmentation has the best FID and identity scores although its 3D
is wrong (Table 4): image scores don't show it, invariance does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.resizing import resized
from pipeline.evaluation.tables import CellValue, table
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.triplane import Triplane, third_axis

Picture = Float[Tensor, "3 height width"]
Relight = Callable[[int], Picture | None]


@dataclass(frozen=True)
class Disturbance:
    """A transformation of the input that doesn't change the subject.

    Attributes:
        name: in the table.
        change: image → image.
        is_mirror: it mirrors the subject.
    """

    name: str
    change: Callable[[Picture], Picture]
    is_mirror: bool = False


@dataclass(frozen=True, kw_only=True)
class Invariance:
    """Settings of the invariance table.

    Args:
        items: number of identities, from the first; 0 disables it.
        methods: names of the evaluated methods: eight lifts for each item.
        roll_deg: rotation of the image, both ways.
        zoom: factor of enlarging and shrinking.
        shift: translation right and down, as a share of the side.
        crop: share of the right and lower margins that is replaced by the nearest pixels.
    """

    items: int = 8
    methods: list[str] | tuple[str, ...] = ("student",)
    roll_deg: int | float = 8.0
    zoom: int | float = 1.1
    shift: int | float = 0.05
    crop: int | float = 0.1

    def as_dict(self) -> dict[str, Any]:
        """For settings."""
        return {**vars(self), "methods": list(self.methods)}

    def disturbances(self) -> list[Disturbance]:
        """All transformations."""
        return [
            Disturbance("roll", lambda image: warped(image, roll_deg=self.roll_deg)),
            Disturbance("roll back", lambda image: warped(image, roll_deg=-self.roll_deg)),
            Disturbance("zoom in", lambda image: warped(image, zoom=self.zoom)),
            Disturbance("zoom out", lambda image: warped(image, zoom=1 / self.zoom)),
            Disturbance("shift", lambda image: warped(image, right=self.shift, down=self.shift)),
            Disturbance("crop", lambda image: cropped(image, share=self.crop)),
            Disturbance("flip", lambda image: image.flip(-1), is_mirror=True),
        ]


@torch.no_grad()
def invariance_table(
    methods: Sequence[MethodEntry],
    pictures: Sequence[Picture],
    settings: Invariance,
    relight: Relight | None = None,
) -> dict[str, Any]:
    """Lifts every image as it is and transformed, and compares the two lifts.

    "planes" is the mean absolute change of the planes, "front" the root mean square change of the
    frontal view, both divided by the same between different identities of the suite: 0 is
    invariant, 1 is as different as another identity. Of a single identity there are no shares.

    Args:
        methods: those whose name is in `settings.methods` are evaluated.
        pictures: one of each identity; square, of any size; they are transformed before they are
            resized for a method.
        relight: index of an image → the same subject and camera in other light.
    """
    rows: list[list[CellValue]] = []
    for method in methods:
        if method.name not in settings.methods:
            continue
        lifted = [_lift(method, picture) for picture in pictures]
        between = _between_identities(lifted)
        for name, (planes, squares) in _changes(
            method, pictures, lifted, settings, relight
        ).items():
            front = math.sqrt(sum(squares) / len(squares))
            rows.append(
                [
                    method.name,
                    name,
                    _share(sum(planes) / len(planes), between[0]),
                    _share(front, between[1]),
                    _decibels(front),
                ]
            )
    columns = ["method", "input", "planes (share)", "front (share)", "front PSNR, dB"]
    notes = [
        (
            "0: no change; 1: as different as another identity of the suite. Frontal views are"
            " rendered by the method at the teacher's camera."
        ),
        (
            "flip: compared with the mirrored planes and the mirrored frontal view; a teacher's"
            " planes of a mirrored subject needn't be mirrored planes, so the front decides."
        ),
    ]
    of = f"{len(pictures)} identities"
    if len(pictures) < 2:
        of = f"{len(pictures)} identity"
        notes.append("no shares: there is no other identity to compare with")
    return table(f"invariance to the input, {of}", columns, rows, notes)


def _changes(
    method: MethodEntry,
    pictures: Sequence[Picture],
    lifted: Sequence[LiftedPortrait],
    settings: Invariance,
    relight: Relight | None,
) -> Mapping[str, tuple[list[float], list[float]]]:
    found: dict[str, tuple[list[float], list[float]]] = {}

    def compare(name: str, number: int, disturbed: Picture, is_mirror: bool) -> None:
        planes, squares = found.setdefault(name, ([], []))
        portrait = _lift(method, disturbed)
        before, front = lifted[number].triplane, _front(lifted[number])
        expected = mirrored(before) if is_mirror else before
        planes.append(float((portrait.triplane.planes - expected.planes).abs().mean()))
        squares.append(
            float((_front(portrait) - (front.flip(-1) if is_mirror else front)).square().mean())
        )

    for number, picture in enumerate(pictures):
        for disturbance in settings.disturbances():
            compare(disturbance.name, number, disturbance.change(picture), disturbance.is_mirror)
        relit = None if relight is None else relight(number)
        if relit is not None:
            compare("relight", number, relit, False)
    return found


def warped(
    image: Picture,
    *,
    roll_deg: int | float = 0.0,
    zoom: int | float = 1.0,
    right: int | float = 0.0,
    down: int | float = 0.0,
) -> Picture:
    """Rotated clockwise, enlarged about its centre, shifted by shares of its side; the border is
    repeated outside.
    """
    angle = math.radians(roll_deg)
    cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
    back = torch.tensor(
        [
            [cosine, sine, -2 * (cosine * right + sine * down)],
            [-sine, cosine, -2 * (cosine * down - sine * right)],
        ]
    )
    grid = F.affine_grid(back[None].to(image), [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]


def cropped(image: Picture, *, share: int | float) -> Picture:
    """The right and lower margins are replaced by the nearest remaining pixels."""
    height, width = image.shape[-2:]
    kept = [
        torch.arange(size).clamp(max=max(1, round(size * (1 - share))) - 1).to(image.device)
        for size in (height, width)
    ]
    return image[:, kept[0]][:, :, kept[1]]


def mirrored(triplane: Triplane) -> Triplane:
    """The planes of the mirrored world (x → -x): each plane is flipped along x, a stack of planes
    across x (a tri-grid's `yz`) in the order of its planes.
    """
    stacks = rearrange(
        triplane.planes,
        "batch plane (channel depth) height width -> plane batch channel depth height width",
        depth=triplane.depth,
    )
    flipped = [
        stack.flip(-1 - (*axes, third_axis(axes)).index("x"))  # width, height, depth
        for stack, axes in zip(stacks, triplane.axes, strict=True)
    ]
    planes = rearrange(
        torch.stack(flipped),
        "plane batch channel depth height width -> batch plane (channel depth) height width",
    )
    return triplane.with_planes(planes)


def _between_identities(lifted: Sequence[LiftedPortrait]) -> tuple[float, float]:
    """Mean absolute difference of planes, and root mean square difference of frontal views, between
    neighbours in the suite; nan for a single one.
    """
    pairs = (
        [(one, lifted[number - 1]) for number, one in enumerate(lifted)] if len(lifted) > 1 else []
    )
    if not pairs:
        return math.nan, math.nan
    planes = [
        float((one.triplane.planes - other.triplane.planes).abs().mean()) for one, other in pairs
    ]
    squares = [float((_front(one) - _front(other)).square().mean()) for one, other in pairs]
    return sum(planes) / len(planes), math.sqrt(sum(squares) / len(squares))


def _lift(method: MethodEntry, picture: Picture) -> LiftedPortrait:
    return method.lift(resized(picture[None], method.image_size or picture.shape[-1]))


def _front(portrait: LiftedPortrait) -> Tensor:
    return portrait.view().image[0].clamp(-1, 1)


def _share(change: float, between: float) -> float:
    if change == 0 and not math.isnan(between):
        return 0.0
    return change / between if between > 0 else math.nan


def _decibels(error: float) -> float:
    return math.inf if error == 0 else 20 * math.log10(2 / error)
