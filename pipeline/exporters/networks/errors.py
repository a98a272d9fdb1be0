"""How far another program's result is from torch's."""

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

IDENTICAL_DB = 140.0
"""PSNR of identical pictures: rounding of float32 is about that."""


@dataclass(frozen=True)
class Errors:
    """Absolute differences: the largest, and the mean.

    Attributes:
        unit: of both.
    """

    max: float
    mean: float
    unit: str

    @classmethod
    def between(cls, found: Tensor, reference: Tensor, unit: str, scale: float = 1.0) -> "Errors":
        """Of two tensors of one shape, multiplied by `scale`; NaN is infinitely far."""
        if found.shape != reference.shape:
            raise ValueError(f"{list(found.shape)} came, {list(reference.shape)} was expected")
        if not found.numel():
            return cls(0.0, 0.0, unit)
        distance = ((found - reference).abs() * scale).nan_to_num(nan=torch.inf)
        return cls(float(distance.max()), float(distance.mean()), unit)

    @classmethod
    def of_all(cls, several: list["Errors"]) -> "Errors":
        """The largest of all, the mean of all."""
        mean = sum(one.mean for one in several) / len(several)
        return cls(max(one.max for one in several), mean, several[0].unit)

    def record(self) -> dict[str, float | str]:
        """For JSON."""
        return asdict(self)


def plane_errors(found: Tensor, reference: Tensor) -> Errors:
    """In standard deviations of the reference's planes."""
    return Errors.between(found, reference, "standard deviations", 1 / float(reference.std()))


def picture_errors(found: Tensor, reference: Tensor) -> Errors:
    """Of pictures in [-1, 1], in levels of 8 bits."""
    return Errors.between(found.clamp(-1, 1), reference.clamp(-1, 1), "levels of 255", 127.5)


def psnr(
    found: Float[Tensor, "batch 3 height width"], reference: Float[Tensor, "batch 3 height width"]
) -> float:
    """Of pictures in [-1, 1]; the lowest of the batch, at most `IDENTICAL_DB`."""
    square = (found.clamp(-1, 1) - reference.clamp(-1, 1)).square().mean((1, 2, 3))
    decibel = 10 * torch.log10(4 / square.clamp(min=1e-30))
    return float(decibel.nan_to_num(nan=0.0).min().clamp(max=IDENTICAL_DB))
