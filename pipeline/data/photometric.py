"""Photometric augmentation of the student's input: what cameras, applications and networks do to a
photograph. The teacher's targets stay as they are, so a student learns not to copy it.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from kornia.enhance import jpeg_codec_differentiable
from torch import Tensor
from torch.nn import functional as F

from pipeline.batch import DistillationBatch
from pipeline.portraits.hooks.colour import Exposure, WhiteBalance
from pipeline.portraits.hooks.filters import blurred
from pipeline.sampling.distributions import Distribution
from pipeline.sampling.random_streams import stream
from pipeline.sampling.source import BatchSource
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

Picture = Float[Tensor, "1 3 height width"]

LEAST_BLUR = 1e-3
"""Sides of the image; a narrower Gaussian is no blur."""

LIMITS = {
    "blur": (0.0, 1.0),
    "noise": (0.0, math.inf),
    "scale": (1e-3, 1.0),
    "jpeg_quality": (1.0, 100.0),
}
"""Of what each change can be given."""


@dataclass(frozen=True, kw_only=True)
class Photometric:
    """Alters images in the order in which a photograph is: light, lens, sensor, size, file.

    Args:
        chance: of each change by itself, in [0, 1].
        exposure_stops: light, as powers of two of linear values.
        warmth_stops: red against blue.
        tint_stops: green against red and blue.
        blur: standard deviation of a Gaussian, in sides of the image.
        noise: standard deviation, for images in [-1, 1].
        scale: the image is shrunk to this share of its side, and enlarged again.
        jpeg_quality: 1 to 100, of libjpeg's tables.

    Raises:
        ValueError: `chance` is no probability, or a change reaches beyond `LIMITS`.
    """

    chance: float | int
    exposure_stops: Distribution
    warmth_stops: Distribution
    tint_stops: Distribution
    blur: Distribution
    noise: Distribution
    scale: Distribution
    jpeg_quality: Distribution

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"chance is {self.chance}: give a probability, 0 to 1")
        for name, (least, most) in LIMITS.items():
            low, high = getattr(self, name).range
            if not least <= low <= high <= most:
                raise ValueError(
                    f"photometric.{name} reaches from {low:g} to {high:g}: give {least:g} to"
                    f" {most:g}"
                )

    def __call__(self, image: Picture, seed: int, sample: int) -> Picture:
        """An image in [-1, 1], altered as (seed, sample number) says, whatever its batch is."""
        random = stream(seed, sample, "photometric")
        for change in self.changes(random):
            image = change(image).clamp(-1, 1)
        return image

    def changes(self, random: np.random.Generator) -> list[Callable[[Picture], Picture]]:
        """The changes that are drawn, in order. Each is drawn whether it is used or not, so that
        another `chance` keeps their strengths.
        """
        stops = self.exposure_stops.draw(random)
        balance = WhiteBalance(
            warmth=self.warmth_stops.draw(random), tint=self.tint_stops.draw(random)
        )
        blur, noise = self.blur.draw(random), self.noise.draw(random)
        scale, quality = self.scale.draw(random), self.jpeg_quality.draw(random)
        drawn: list[Callable[[Picture], Picture]] = [
            Exposure(stops=stops),
            balance,
            lambda image: blurred(image, blur) if blur > LEAST_BLUR else image,
            lambda image: noisy(image, noise, random),
            lambda image: resampled(image, scale),
            lambda image: compressed(image, quality),
        ]
        return [change for change in drawn if random.random() < self.chance]


class PhotometricInputs:
    """A batch source whose inputs are altered; targets, planes and cameras aren't.

    Args:
        source: of the batches.
        photometric: the changes.
        seed: of the run; with the sample's number, it determines them.
    """

    def __init__(self, source: BatchSource, photometric: Photometric, seed: int) -> None:
        self.source = source
        self.photometric = photometric
        self.seed = seed

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """See `BatchSource`."""
        return self.source.rendering

    def to(self, device: torch.device) -> "PhotometricInputs":
        """See `BatchSource.to`."""
        self.source.to(device)
        return self

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The source's batch with altered inputs."""
        batch = self.source(samples)
        images = [
            self.photometric(image[None], self.seed, number)
            for image, number in zip(batch.image, batch.samples.tolist(), strict=True)
        ]
        return dataclasses.replace(batch, image=torch.cat(images))

    def planes(self, samples: Sequence[int]) -> Triplane:
        """See `BatchSource.planes`."""
        return self.source.planes(samples)

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """See `BatchSource.jitter`."""
        return self.source.jitter(numbers, view, renderer)


def noisy(image: Picture, deviation: float, random: np.random.Generator) -> Picture:
    """The image with white Gaussian noise, before it is clamped."""
    noise = torch.from_numpy(random.standard_normal(tuple(image.shape), np.float32))
    return image + deviation * noise.to(image)


def resampled(image: Picture, scale: float) -> Picture:
    """The image shrunk to a share of its side with antialiasing, and enlarged again."""
    size = (image.shape[-2], image.shape[-1])
    small = [max(1, round(scale * side)) for side in size]
    shrunk = F.interpolate(image, small, mode="bilinear", antialias=True)
    return F.interpolate(shrunk, size, mode="bicubic")


def compressed(image: Picture, quality: float) -> Picture:
    """The image as a JPEG file returns it (kornia's differentiable codec; Shin and Song 2017)."""
    levels = jpeg_codec_differentiable((image + 1) / 2, torch.tensor([quality]).to(image))
    return 2 * levels - 1
