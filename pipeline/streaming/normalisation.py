"""Plane features ↔ the 1024 levels of a 10-bit picture: one linear map of each plane's channels.

An encoder with a constant quantiser makes about the same error, in levels, in every tile. A good
map spreads what a viewer sees of it evenly, and puts what the planes hold into few tiles. With the
Gram matrix of an image's slopes, S = E[Jᵀ J] for J = ∂(image)/∂(channels of a texel), errors of
S^½ feature are seen alike; the eigenvectors U of the covariance of its change from texel to texel
part what repeats from channel to channel (the Karhunen-Loève transform; Goyal, *Theoretical
foundations of transform coding*, 2001): level = Uᵀ S^½ feature.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt16
from torch import Tensor

from pipeline.lifter import Lifter
from pipeline.runs.files import write_json
from teachers.rendering.camera import Camera

LEVELS = 1024
FORMAT = 2
"""1: a gain for each channel."""

MARGIN = 1.3
"""Of the range that was seen; what lies outside is clipped."""

PROBES = 2
"""Random directions in image space for each view that is asked for its sensitivity."""

ANGLES = ((0.3, 0.1), (-0.3, -0.1))
"""Yaw and pitch of those views, radians."""

BOOST = 2.0
"""Of all gains, above the one by which the widest tile fills its range: the few wider tiles keep to
their range, all others are coded finer. 1 ends at 46 dB, 4 takes a tenth more bits at 37 dB.
"""

HIDDEN = 1e-3
"""Directions that are seen less than this share of the best seen count as seen so much: planes stay
planes, however little a renderer looks at some of them.
"""

Blocks = tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Normalisation:
    """feature = centre + basis · (level - 512); levels are rounded, and clipped to [0, 1023].

    Attributes:
        centre: the features of level 512, `[plane · channel]`.
        basis: features per level, `[block channel level]`: the tiles in blocks of as many channels,
            each with an invertible matrix.
        version: of this map within a stream; a receiver uses that of the last header.
    """

    centre: tuple[float, ...]
    basis: Blocks
    version: int = 1

    def __post_init__(self) -> None:
        sizes = {len(self.basis[0])} if self.basis else {0}
        sizes |= {n for block in self.basis for n in (len(block), *map(len, block))}
        if len(sizes) != 1 or not self.centre or len(self.basis) * max(sizes) != len(self.centre):
            raise ValueError(
                f"{len(self.basis)} blocks of {sorted(sizes)} rows and columns, and"
                f" {len(self.centre)} centres came: give square blocks for all channels"
            )
        centre, basis = torch.tensor(self.centre), torch.tensor(self.basis)
        # of a matrix that isn't finite, or has no inverse, the singular values aren't either
        usable = bool(centre.isfinite().all() and basis.isfinite().all())
        values = torch.linalg.svdvals(basis.double()) if usable else torch.zeros(1)
        if not bool(((values > 1e-9) & (values < 1e6)).all()):
            raise ValueError("a block can't be inverted, or a number isn't finite")

    @classmethod
    def affine(cls, gain: Sequence[float], centre: Sequence[float]) -> "Normalisation":
        """Each channel by itself: level = (feature - centre) · gain + 512.

        Raises:
            ValueError: a gain isn't positive, or not as many gains as centres.
        """
        if len(gain) != len(centre) or not all(g > 0 for g in gain):
            raise ValueError(
                f"{len(gain)} gains, the least {min(gain, default=0)}, and {len(centre)} centres"
                " came: give a positive gain and a centre for every channel"
            )
        return cls(tuple(centre), tuple(((1 / g,),) for g in gain))

    def __len__(self) -> int:
        return len(self.centre)

    def levels(
        self, planes: Float[Tensor, "3 channel height width"]
    ) -> UInt16[np.ndarray, "tile height width"]:
        """One identity's planes as levels, tile by tile.

        Raises:
            ValueError: another number of channels.
        """
        tiles = planes.detach().flatten(0, 1).float()
        if len(tiles) != len(self):
            raise ValueError(f"planes of {len(tiles)} channels came, expected {len(self)}")
        deviations = tiles - self._centres.to(tiles)
        levels = _by_blocks(self._inverse.to(tiles), deviations).nan_to_num(0.0) + LEVELS / 2
        return levels.round_().clamp_(0, LEVELS - 1).to(torch.uint16).cpu().numpy()

    def planes(
        self, levels: UInt16[np.ndarray, "tile height width"]
    ) -> Float[Tensor, "3 channel height width"]:
        """The inverse of `levels`."""
        tiles = torch.from_numpy(levels.astype(np.float32)) - LEVELS / 2
        return (_by_blocks(self._matrices, tiles) + self._centres).unflatten(0, (3, -1))

    def unrounded(
        self, planes: Float[Tensor, "batch 3 channel height width"]
    ) -> Float[Tensor, "batch tile height width"]:
        """Levels above 512 as real numbers, neither rounded nor clipped; differentiable.

        Raises:
            ValueError: another number of channels.
        """
        tiles = planes.flatten(1, 2)
        if tiles.shape[1] != len(self):
            raise ValueError(f"planes of {tiles.shape[1]} channels came, expected {len(self)}")
        return _by_blocks(self._inverse.to(tiles), tiles - self._centres.to(tiles))

    def features(
        self, levels: Float[Tensor, "batch tile height width"]
    ) -> Float[Tensor, "batch 3 channel height width"]:
        """The inverse of `unrounded`."""
        tiles = _by_blocks(self._matrices.to(levels), levels) + self._centres.to(levels)
        return tiles.unflatten(1, (3, -1))

    def __reduce__(self) -> tuple[Any, ...]:
        # without what is cached: torch sends tensors between processes as open files
        return Normalisation, (self.centre, self.basis, self.version)

    @cached_property
    def _centres(self) -> Tensor:
        return torch.tensor(self.centre)[:, None, None]

    @cached_property
    def _matrices(self) -> Tensor:
        return torch.tensor(self.basis)

    @cached_property
    def _inverse(self) -> Tensor:
        return torch.linalg.inv(self._matrices.double()).float()

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": FORMAT,
            "version": self.version,
            "centre": self.centre,
            "basis": self.basis,
        }

    @classmethod
    def of(cls, record: Any) -> "Normalisation":
        """Reads a record, of this format or of 1.

        Raises:
            ValueError: it isn't understood.
        """
        try:
            if record["format"] not in (1, FORMAT):
                raise ValueError(f"it is of format {record['format']!r}, this reads up to {FORMAT}")
            centre = tuple(map(float, record["centre"]))
            if record["format"] == 1:
                basis = cls.affine(tuple(map(float, record["gain"])), centre).basis
            else:
                basis = tuple(tuple(tuple(map(float, r)) for r in b) for b in record["basis"])
            return cls(centre, basis, int(record["version"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a normalisation of planes isn't understood: {error}") from error

    def save(self, path: Path) -> None:
        """Writes the record."""
        write_json(path, self.record(), indent=None)

    @classmethod
    def read(cls, path: Path) -> "Normalisation":
        """Reads what `save` wrote; ValueError if it is something else."""
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} can't be read: {error}") from error


def _by_blocks(
    matrices: Float[Tensor, "block row column"], tiles: Float[Tensor, "*batch tile height width"]
) -> Float[Tensor, "*batch tile height width"]:
    blocks = tiles.unflatten(-3, (-1, matrices.shape[-1]))
    return torch.einsum("brc,...bchw->...brhw", matrices, blocks).flatten(-4, -3)


def planes_file(student: Path) -> Path:
    """Where the normalisation of a student is looked for."""
    return student.with_suffix(".planes.json")


def calibrate(
    lifter: Lifter, planes: Float[Tensor, "identity 3 channel height width"]
) -> Normalisation:
    """The map for a student, from the planes that it makes of some identities.

    Args:
        lifter: whose renderer says what of the channels is seen.
        planes: of tens of identities, or of a few frames.
    """
    planes = planes.to(next(lifter.parameters()).device)
    size = lifter.passport.plane_channels
    tiles = planes.flatten(1, 2).unflatten(1, (-1, size)).cpu().double()  # as of `gram`
    centre = tiles.mean((0, 3, 4))
    tiles = tiles - centre[:, :, None, None]
    step = tiles.diff(dim=-1).permute(1, 2, 0, 3, 4).flatten(2)
    power, seen = torch.linalg.eigh(gram(lifter, planes))
    root = power.clamp(min=HIDDEN**2 * float(power.amax()) + 1e-30).sqrt()
    evenly = seen @ (root[:, :, None] * seen.mT)
    turn = torch.linalg.eigh(evenly @ (step @ step.mT) @ evenly)[1].flip(-1)
    levels = turn.mT @ evenly
    reached = (levels @ tiles.permute(1, 2, 0, 3, 4).flatten(2)) * MARGIN
    # tiles that would reach further than the others by this gain fill their range
    low, high = reached.amin(-1), reached.amax(-1)
    reach = ((high - low) / 2).clamp(min=1e-12)
    gain = (LEVELS / 2 / reach).clamp(max=BOOST * LEVELS / 2 / float(reach.amax()))
    basis = torch.linalg.inv(levels) / gain[:, None, :]
    centre = centre + (torch.linalg.inv(levels) @ ((low + high) / 2 / MARGIN)[..., None])[..., 0]
    rounded = [[[_rounded(x) for x in row] for row in block] for block in basis.tolist()]
    return Normalisation(
        tuple(_rounded(x) for x in centre.flatten().tolist()),
        tuple(tuple(map(tuple, block)) for block in rounded),
    )


def _rounded(number: float) -> float:
    """To seven digits: a header is JSON."""
    return float(f"{number:.7g}")


def gram(
    lifter: Lifter,
    planes: Float[Tensor, "identity 3 channel height width"],
    angles: Sequence[tuple[float, float]] = ANGLES,
) -> Float[Tensor, "block channel channel"]:
    """Mean over texels of Jᵀ J for J = ∂(image)/∂(channels of the texel), in float64, by
    Hutchinson's random probes: for signs v, E[(Jᵀ v)(Jᵀ v)ᵀ] = Jᵀ J.
    """
    generator = torch.Generator().manual_seed(0)
    size = lifter.passport.plane_channels
    sums = torch.zeros(planes.shape[1] * planes.shape[2] // size, size, size).double()
    with torch.enable_grad():
        for row, (yaw, pitch) in ((r, a) for r in range(min(len(planes), 8)) for a in angles):
            one = planes[row : row + 1].detach().clone().requires_grad_()
            camera: Camera = lifter.passport.orbit(
                torch.tensor([yaw]).to(one), torch.tensor([pitch]).to(one)
            )
            image = lifter.render(lifter.passport.triplane(one), camera).image_raw
            for _ in range(PROBES):
                signs = torch.randint(0, 2, image.shape, generator=generator).to(image) * 2 - 1
                (slope,) = torch.autograd.grad((image * signs).sum(), one, retain_graph=True)
                texels = slope.flatten(3).reshape(len(sums), size, -1).cpu().double()
                sums += texels @ texels.mT / texels.shape[-1]
    return sums
