"""Draws docs/robustness.png and prints the table of docs/robustness.md: the bundled student on
scikit-image's astronaut, altered.

Run from the repository's root: `python docs/figures/robustness.py [STUDENT]` (two minutes, no
GPU; column "identity" needs `trilift weights identity`). The photograph is altered before the face
is looked for, so that detector, crop and student answer together; only the crop's shift and size
are changed behind the detector.
"""

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from pipeline.inference import Reconstructor
from pipeline.inference.background import background_of
from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.losses.dlib_resnet import DlibResNet
from pipeline.losses.identity_distance import FILE, dlib_crop
from pipeline.pictures import tile, to_uint8
from pipeline.portraits.face import Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.framing import FaceCrops, Framed
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds

OUTPUT = Path(__file__).resolve().parents[1] / "robustness.png"
CELL, ACROSS, IDENTITIES = 104, 7, 8
FACE = (203, 92, 247, 145)
"""Left, top, right, bottom of eyes to mouth, pixels of the photograph."""

Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Alteration:
    """Of the photograph, or of the crop."""

    name: str
    change: Change = lambda image: image
    shift: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What the detector and the student made of one photograph."""

    crop: Tensor
    framed: Framed
    lifted: LiftedPortrait
    front: Tensor
    embedding: Tensor | None


def noisy(sigma: float) -> Change:
    """Gaussian noise, standard deviation in [0, 1]."""

    def change(image: Image.Image) -> Image.Image:
        grain = np.random.default_rng(0).normal(0, 255 * sigma, np.asarray(image).shape)
        return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))

    return change


def compressed(quality: int) -> Change:
    """JPEG and back."""

    def change(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def lit_from_the_side(image: Image.Image) -> Image.Image:
    """A fifth of the light on the right of the face."""
    ramp = np.interp(np.arange(image.width), (FACE[0] - 20, FACE[2] + 20), (1.0, 0.2))
    return Image.fromarray((np.asarray(image) * ramp[None, :, None]).astype(np.uint8))


def covered(left: int, top: int, right: int, bottom: int) -> Change:
    """A grey rectangle."""

    def change(image: Image.Image) -> Image.Image:
        hidden = image.copy()
        hidden.paste((110, 110, 110), (left, top, right, bottom))
        return hidden

    return change


def reduced(factor: int) -> Change:
    """To a part of the size and back."""
    return lambda image: image.resize(
        (image.width // factor, image.height // factor), Image.Resampling.BOX
    ).resize(image.size, Image.Resampling.BICUBIC)


ALTERATIONS = (
    Alteration("unaltered"),
    *(Alteration(f"crop shifted by {100 * s:.0f} %", shift=s) for s in (0.03, 0.08)),
    *(Alteration(f"crop times {s}", scale=s) for s in (0.87, 1.15)),
    *(
        Alteration(f"roll {a}°", lambda i, a=a: i.rotate(-a, Image.Resampling.BICUBIC))
        for a in (10, 25, 45)
    ),
    *(
        Alteration(f"blur {s} px", lambda i, s=s: i.filter(ImageFilter.GaussianBlur(s)))
        for s in (2, 4, 8)
    ),
    *(Alteration(f"noise {s}", noisy(s)) for s in (0.05, 0.1, 0.2)),
    *(Alteration(f"JPEG quality {q}", compressed(q)) for q in (50, 20, 5)),
    *(
        Alteration(f"light times {s}", lambda i, s=s: ImageEnhance.Brightness(i).enhance(s))
        for s in (0.25, 0.5, 1.6)
    ),
    Alteration("light from the side", lit_from_the_side),
    Alteration("eyes covered", covered(190, 92, 260, 112)),
    Alteration("mouth covered", covered(188, 128, 260, 158)),
    Alteration("right half covered", covered(225, 60, 285, 175)),
    Alteration("grey", lambda image: ImageOps.grayscale(image).convert("RGB")),
    *(Alteration(f"resolution 1/{f}", reduced(f)) for f in (2, 4, 8)),
)


class Chain:
    """Detector, crop, student, and dlib's network where it is."""

    def __init__(self, student: str) -> None:
        self.framing = FaceCrops(FaceMeshDetector())
        self.student = Reconstructor.from_pretrained(student)
        path = FILE.find(Path(os.environ.get("TRILIFT_WEIGHTS", "weights")))
        self.identity = None if path is None else DlibResNet.load(path).eval()

    @torch.no_grad()
    def run(self, photograph: Image.Image, alteration: Alteration) -> Outcome:
        """One altered photograph."""
        image = alteration.change(photograph)
        (framed,) = self.framing.frame(Picture(image, Path("astronaut.png")))
        crop = framed.crop
        size = crop.size * alteration.scale
        middle = (
            crop.left + crop.size / 2 + alteration.shift * crop.size,
            crop.top + crop.size / 2,
        )
        framed = replace(framed, crop=type(crop).about(middle, size, crop.roll_deg))
        large = framed.cut(image, 256)
        lifted = self.student.lift(large)
        front = lifted.render(lifted.orbit()).image[0].clamp(-1, 1)
        embedding = None if self.identity is None else self.identity(dlib_crop(large[None]))[0]
        return Outcome(large, framed, lifted, front, embedding)

    @torch.no_grad()
    def between_identities(self) -> tuple[float, float]:
        """Mean distance of planes, and of frontal views, between test puppets."""
        passport = self.student.lifter.passport
        seeds = WorldSeeds.of(Split.TEST, list(range(IDENTITIES)))
        camera = orbit_of(passport, [0.0] * IDENTITIES, [0.0] * IDENTITIES)
        views = PuppetWorld(supersampling=2).render(seeds, camera, passport.image_resolution)
        heads = [self.student.lift(image) for image in views.image(background_of(passport))]
        fronts = [head.render(head.orbit()).image[0].clamp(-1, 1) for head in heads]
        pairs = [(one, one + 1) for one in range(IDENTITIES - 1)]
        planes = [planes_apart(heads[a], heads[b]) for a, b in pairs]
        return float(np.mean(planes)), float(np.mean([rms(fronts[a], fronts[b]) for a, b in pairs]))


def planes_apart(one: LiftedPortrait, other: LiftedPortrait) -> float:
    """Mean absolute difference."""
    return (one.triplane.planes - other.triplane.planes).abs().mean().item()


def rms(one: Tensor, other: Tensor) -> float:
    """Root mean square difference."""
    return (one - other).square().mean().sqrt().item()


def row_of(name: str, seen: Outcome, own: Outcome, unit: tuple[float, float]) -> str:
    """One line of the table."""
    pose, before = seen.framed.pose, own.framed.pose
    turned = "–"
    if pose is not None and before is not None:
        turned = f"{pose.yaw_deg - before.yaw_deg:+.1f} / {pose.pitch_deg - before.pitch_deg:+.1f}"
    identity = "–"
    if seen.embedding is not None and own.embedding is not None:
        identity = f"{(seen.embedding - own.embedding).norm():.2f}"
    cells = (
        name,
        "yes" if seen.framed.face_found else "**no**",
        turned,
        identity,
        f"{planes_apart(seen.lifted, own.lifted) / unit[0]:.2f}",
        f"{rms(seen.front, own.front) / unit[1]:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Writes the picture, prints the table."""
    student = sys.argv[1] if len(sys.argv) > 1 else "bundled/puppets_tiny"
    chain, photograph = Chain(student), Image.fromarray(data.astronaut())
    outcomes = [chain.run(photograph, each) for each in ALTERATIONS]
    unit = chain.between_identities()
    heads = ("alteration", "face found", "yaw / pitch, °", "identity", "planes", "front")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for each, outcome in zip(ALTERATIONS, outcomes, strict=True):
        print(row_of(each.name, outcome, outcomes[0], unit))
    cells = [(enlarged(each.crop), enlarged(each.front)) for each in outcomes]
    empty = torch.ones(3, CELL, CELL)
    rows, labels = [], []
    for first in range(0, len(cells), ACROSS):
        part = cells[first : first + ACROSS]
        names = [each.name for each in ALTERATIONS[first : first + ACROSS]]
        part += [(empty, empty)] * (ACROSS - len(part))
        labels.append(names + [""] * (ACROSS - len(names)))
        rows.append([[cell[line] for cell in part] for line in (0, 1)])
    sheets = [
        tile(pair, 4, row_labels=["crop", "front"], column_labels=names)
        for pair, names in zip(rows, labels, strict=True)
    ]
    pixels = Image.fromarray(to_uint8(torch.cat(sheets, 1)))
    pixels.quantize(200).save(OUTPUT, optimize=True)


def enlarged(image: Tensor) -> Tensor:
    """At the figure's size."""
    return F.interpolate(image[None], (CELL, CELL), mode="bicubic", antialias=True)[0].clamp(-1, 1)


if __name__ == "__main__":
    main()
