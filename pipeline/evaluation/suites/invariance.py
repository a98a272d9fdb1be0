"""Does the same subject come out of the picture turned, zoomed, shifted, cropped, mirrored, lit
otherwise? They should: it is them.

The canonical planes and the frontal picture must not move when the input does. LP3D's own ablation
without camera augmentation had the best FID and identity scores while its 3D was wrong (Table 4):
image scores alone don't see it, this does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.resizing import resized
from pipeline.evaluation.tables import Cell, table
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.triplane import Triplane

Picture = Float[Tensor, "3 height width"]
Relight = Callable[[int], Picture | None]


@dataclass(frozen=True)
class Disturbance:
    """A change of the picture that changes nobody.

    Attributes:
        name: in the table.
        change: picture → picture.
        is_mirror: the subject comes out mirrored.
    """

    name: str
    change: Callable[[Picture], Picture]
    is_mirror: bool = False


@dataclass(frozen=True, kw_only=True)
class Invariance:
    """How much is disturbed, and who is asked about it.

    Args:
        items: the first so many items are disturbed; 0 leaves this out.
        methods: names of those that are asked: eight lifts an item.
        roll_deg: the picture is turned by it, both ways.
        zoom: it is enlarged and shrunk by the factor.
        shift: it is moved by that share of its side, right and down.
        crop: that share is cut off at the right and below: replaced by the nearest pixels.
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
        """All of them."""
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
    """Lifts every picture as it is and disturbed, and compares.

    "planes" is the mean absolute change of the planes, "front" the root mean square change of the
    frontal picture, each divided by the same between different identities of the suite as they are:
    0 is invariant, 1 is as far off as somebody else.

    Args:
        answers: those whose name is in `settings.methods` are asked.
        pictures: square, of any size; they are disturbed before they are brought to a method's.
        relight: by the number of a picture the same subject from the same camera in other light.
    """
    rows: list[list[Cell]] = []
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
            "0: nothing moves; 1: as far off as another subject of the suite. Frontal pictures are"
            " the methods' own, at the teacher's camera."
        ),
        (
            "flip: compared with the mirrored planes and front of the picture as it is; a teacher's"
            " planes of a mirrored subject needn't be its planes mirrored, so look at the front."
        ),
    ]
    return table(f"invariance to the input, {len(pictures)} identities", columns, rows, notes)


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
    """Turned clockwise, enlarged about its middle, moved by shares of its side; what comes in from
    outside repeats the border.
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
    """As if the photograph had ended earlier: the right and lower margins repeat the last pixels
    that are left.
    """
    height, width = image.shape[-2:]
    kept = [
        torch.arange(size).clamp(max=max(1, round(size * (1 - share))) - 1).to(image.device)
        for size in (height, width)
    ]
    return image[:, kept[0]][:, :, kept[1]]


def mirrored(triplane: Triplane) -> Triplane:
    """The planes of the mirrored world (x → -x)."""
    planes = [
        plane.flip(-1) if axes[0] == "x" else plane.flip(-2) if axes[1] == "x" else plane
        for plane, axes in zip(triplane.planes.unbind(1), triplane.axes, strict=True)
    ]
    return triplane.with_planes(torch.stack(planes, 1))


def _between_identities(lifted: Sequence[LiftedPortrait]) -> tuple[float, float]:
    """Mean absolute difference of planes, and root mean square difference of frontal pictures,
    between neighbours in the suite.
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
    return 0.0 if change == 0 else change / between if between > 0 else math.nan


def _decibels(error: float) -> float:
    return math.inf if error == 0 else 20 * math.log10(2 / error)
