"""Plane features ↔ the 1024 levels of a 10-bit picture: one affine map for each channel.

An encoder with a constant quantiser makes about the same error, in levels, in every channel. What a
viewer sees of it is that error divided by the channel's gain, times what a change of this channel
does to a rendered view. Gains in proportion to that sensitivity spread the visible error evenly:
for planes of the bundled student a fifth fewer bits at equal views than channels that all fill the
range.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
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
FORMAT = 1
MARGIN = 1.3
"""Of the range that was seen; what lies outside is clipped."""

PROBES = 2
"""Random directions in image space for each view that is asked for its sensitivity."""

ANGLES = ((0.3, 0.1), (-0.3, -0.1))
"""Yaw and pitch of those views, radians."""


@dataclass(frozen=True)
class Normalisation:
    """level = round((feature - centre) · gain) + 512, clipped to [0, 1023].

    Attributes:
        gain: levels per unit, positive, `[plane · channel]`.
        centre: the feature of level 512.
        version: of this map within a stream; a receiver uses that of the last header.
    """

    gain: tuple[float, ...]
    centre: tuple[float, ...]
    version: int = 1

    def __post_init__(self) -> None:
        if len(self.gain) != len(self.centre) or not self.gain:
            raise ValueError(
                f"{len(self.gain)} gains and {len(self.centre)} centres came: give one of each for"
                " every channel"
            )
        if not all(math.isfinite(c) for c in self.centre) or not all(
            math.isfinite(g) and 1e-6 < g < 1e9 for g in self.gain
        ):
            raise ValueError("a gain isn't positive, or a number isn't finite")

    def __len__(self) -> int:
        return len(self.gain)

    def levels(
        self, planes: Float[Tensor, "3 channel height width"]
    ) -> UInt16[np.ndarray, "tile height width"]:
        """One identity's planes as levels, channel by channel.

        Raises:
            ValueError: another number of channels.
        """
        tiles = planes.detach().flatten(0, 1).float()
        if len(tiles) != len(self):
            raise ValueError(f"planes of {len(tiles)} channels came, expected {len(self)}")
        gain, centre = self._columns(tiles)
        levels = torch.addcmul(LEVELS / 2 - centre * gain, tiles, gain).nan_to_num(LEVELS / 2)
        return levels.round_().clamp_(0, LEVELS - 1).to(torch.uint16).cpu().numpy()

    def planes(
        self, levels: UInt16[np.ndarray, "tile height width"]
    ) -> Float[Tensor, "3 channel height width"]:
        """The inverse of `levels`."""
        tiles = torch.from_numpy(levels.astype(np.float32))
        gain, centre = self._columns(tiles)
        return ((tiles - LEVELS / 2) / gain + centre).unflatten(0, (3, -1))

    def _columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        gain, centre = (torch.tensor(x).to(like)[:, None, None] for x in (self.gain, self.centre))
        return gain, centre

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "format": FORMAT,
            "version": self.version,
            "gain": list(self.gain),
            "centre": list(self.centre),
        }

    @classmethod
    def of(cls, record: Any) -> "Normalisation":
        """Reads a record.

        Raises:
            ValueError: it isn't understood.
        """
        try:
            if record["format"] != FORMAT:
                raise ValueError(f"it is of format {record['format']!r}, this reads {FORMAT}")
            gain, centre = (tuple(map(float, record[name])) for name in ("gain", "centre"))
            return cls(gain, centre, int(record["version"]))
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


def calibrate(
    lifter: Lifter, planes: Float[Tensor, "identity 3 channel height width"]
) -> Normalisation:
    """The map for a student, from the planes that it makes of some identities.

    Args:
        lifter: whose renderer says how much each channel matters.
        planes: of tens of identities, or of a few frames.
    """
    channels = planes.flatten(1, 2)
    low, high = channels.amin((0, 2, 3)), channels.amax((0, 2, 3))
    reach = ((high - low) / 2 * MARGIN).clamp(min=1e-3)
    seen = sensitivity(lifter, planes)
    seen = seen.clamp(min=max(1e-3 * float(seen.amax()), 1e-12))
    # the channel with the largest product fills the range
    gain = seen * (LEVELS / 2 / (reach * seen).amax())
    return Normalisation(tuple(gain.tolist()), tuple(((low + high) / 2).tolist()))


def sensitivity(
    lifter: Lifter,
    planes: Float[Tensor, "identity 3 channel height width"],
    angles: Sequence[tuple[float, float]] = ANGLES,
) -> Float[Tensor, " tile"]:
    """Root mean square over texels of ∂(image)/∂(texel), by Hutchinson's random probes: for signs
    v, E[(vᵀJ)²] is the squared norm of each column of J.
    """
    generator = torch.Generator().manual_seed(0)
    sums = torch.zeros(planes.shape[1] * planes.shape[2])
    with torch.enable_grad():
        for row, (yaw, pitch) in ((r, a) for r in range(min(len(planes), 4)) for a in angles):
            one = planes[row : row + 1].detach().clone().requires_grad_()
            camera: Camera = lifter.passport.orbit(
                torch.tensor([yaw]).to(one), torch.tensor([pitch]).to(one)
            )
            image = lifter.render(lifter.passport.triplane(one), camera).image_raw
            for _ in range(PROBES):
                signs = torch.randint(0, 2, image.shape, generator=generator).to(image) * 2 - 1
                (slope,) = torch.autograd.grad((image * signs).sum(), one, retain_graph=True)
                sums += slope[0].square().mean((2, 3)).flatten().cpu()
    return sums.sqrt()
