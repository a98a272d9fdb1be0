"""A video codec between student and renderer: planes that are made to be sent (docs/streaming.md).

Each sample becomes two frames of a film: the student's input, and the same identity from a camera
that has moved on. The codec's stand-in writes the planes of the first, then the change to those of
the second; the student's views are rendered from what a receiver decodes. What both would take is a
loss: a head that turns should leave its planes alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.sampling.distributions import Distribution
from pipeline.sampling.random_streams import stream
from pipeline.sampling.source import BatchSource
from pipeline.streaming.normalisation import LEVELS, Normalisation
from pipeline.streaming.stand_in import (
    ALONE,
    CHANGE,
    bits,
    coefficients,
    from_coefficients,
    quantised,
    step_size,
)
from teachers.rendering.camera import Camera, rotation
from teachers.rendering.renderer import Renderer
from teachers.rendering.triplane import Triplane

Lift = Callable[[Float[Tensor, "batch 3 height width"]], Triplane]


@dataclass(frozen=True)
class Coded:
    """What a receiver has of a student's planes.

    Attributes:
        triplane: as it was decoded.
        loss: of the bits, weighted.
        terms: unweighted, by name.
    """

    triplane: Triplane
    loss: Float[Tensor, ""] | float = 0.0
    terms: dict[str, Float[Tensor, ""]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlaneCodec:
    """The codec of a training.

    Args:
        quality: of each sample; `codec.quality` of `trilift stream`.
        yaw_deg, pitch_deg: how far the camera moves from one frame to the next that is looked at,
            degrees.
        picture_weight: of the bits a texel of a picture that is coded alone.
        change_weight: of the bits a texel of the change to the next one.
        trains_decoder: the renderer is trained in every stage, not only with an adversary.
        code: planes ↔ levels.
        renderer: the teacher's, which draws the second frame; isn't trained.
        pivot: about which the camera turns, world units.
        seed: of the draws.
    """

    quality: Distribution
    yaw_deg: Distribution
    pitch_deg: Distribution
    picture_weight: float | int
    change_weight: float | int
    trains_decoder: bool
    code: Normalisation
    renderer: Renderer
    pivot: tuple[float, float, float]
    seed: int

    def __call__(
        self, prediction: Triplane, batch: DistillationBatch, *, lift: Lift, source: BatchSource
    ) -> Coded:
        """The planes of the second frame, decoded.

        Args:
            prediction: the student's planes of the batch's images.
            batch: whose reference cameras move.
            lift: the student.
            source: of the batch.
        """
        following = lift(self.moved(batch, source))
        step = step_size(self._drawn(self.quality, batch, "quality")).to(prediction.planes)
        first, second = (
            coefficients(self.code.unrounded(frame.planes)) for frame in (prediction, following)
        )
        seen = quantised(first, step, ALONE)
        seen = seen + quantised(second - seen, step, CHANGE)
        levels = from_coefficients(seen)
        clipped = levels.clamp(-LEVELS / 2, LEVELS / 2 - 1)
        planes = self.code.features(levels + (clipped - levels).detach())
        terms = {"bits/picture": bits(first, step), "bits/change": bits(second - first, step)}
        loss = (
            self.picture_weight * terms["bits/picture"] + self.change_weight * terms["bits/change"]
        )
        return Coded(prediction.with_planes(planes), loss, terms)

    @torch.no_grad()
    def moved(
        self, batch: DistillationBatch, source: BatchSource
    ) -> Float[Tensor, "batch 3 height width"]:
        """The input a moment later: the teacher's planes from a camera that has moved."""
        yaw, pitch = (
            torch.deg2rad(self._drawn(angle, batch, name)).to(batch.image)
            for name, angle in (("yaw", self.yaw_deg), ("pitch", self.pitch_deg))
        )
        camera = turned(batch.reference.camera, yaw, pitch, self.pivot)
        renderer = source.rendering["reference"].apply(self.renderer)
        jitter = source.jitter(batch.samples, "reference", renderer)
        return renderer(batch.triplane, camera, None, jitter).image.clamp(-1, 1)

    def _drawn(
        self, distribution: Distribution, batch: DistillationBatch, name: str
    ) -> Float[Tensor, " batch"]:
        purpose = f"plane_codec/{name}"
        return torch.tensor(
            [distribution.draw(stream(self.seed, n, purpose)) for n in batch.samples.tolist()]
        )


def turned(
    camera: Camera,
    yaw: Float[Tensor, " batch"],
    pitch: Float[Tensor, " batch"],
    pivot: tuple[float, float, float],
) -> Camera:
    """Cameras that have moved on about a pivot: `pitch` up about their own horizontal axis, then
    `yaw` to +x about the world's vertical; radians.
    """
    right, about = camera.cam_to_world[:, :3, 0], torch.tensor(pivot).to(yaw)
    vertical = torch.tensor([0.0, 1.0, 0.0]).to(yaw).expand_as(right)
    turn = rotation(vertical * yaw[:, None]) @ rotation(-right * pitch[:, None])
    cam_to_world = camera.cam_to_world.clone()
    cam_to_world[:, :3, :3] = turn @ cam_to_world[:, :3, :3]
    arm = camera.cam_to_world[:, :3, 3] - about
    cam_to_world[:, :3, 3] = about + (turn @ arm[..., None])[..., 0]
    return Camera(cam_to_world, camera.intrinsics)
