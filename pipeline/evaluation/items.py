"""What flows through an evaluation: an item of a suite, its views, and the context of a suite."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from pipeline.sampling.source import Sampler
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
"""Of items and groups. They become file names, in which `_` separates the item from the view."""

SOLID = 0.5
"""A pixel of a higher opacity shows the subject."""


@dataclass(frozen=True)
class Observation:
    """Images in [-1, 1] with the depth (world units) and opacity (in [0, 1]) of every pixel."""

    image: Float[Tensor, "view 3 height width"]
    depth: Float[Tensor, "view 1 height width"]
    opacity: Float[Tensor, "view 1 height width"]

    @classmethod
    def of(cls, rendering: Rendering) -> "Observation":
        """A rendering at the size of its image; depth and opacity are enlarged bilinearly where the
        image is super-resolved.
        """
        side = rendering.image.shape[-2:]
        depth, opacity = (
            value
            if value.shape[-2:] == side
            else F.interpolate(value, size=side, mode="bilinear", align_corners=False)
            for value in (rendering.depth, rendering.opacity)
        )
        return cls(rendering.image, depth, opacity)

    @property
    def solid(self) -> Bool[Tensor, "view 1 height width"]:
        """Where the subject is."""
        return self.opacity > SOLID

    def __getitem__(self, rows: slice) -> "Observation":
        return Observation(self.image[rows], self.depth[rows], self.opacity[rows])


@dataclass(frozen=True)
class ItemViews:
    """Views of one subject with what is known about their pixels: a reference, or a stored
    prediction.

    Attributes:
        image: in [-1, 1].
        depth: distance from the camera centre, world units.
        opacity: in [0, 1]; a pixel above `SOLID` shows the subject.
        normal: unit normals in world space, 0 where there is no surface.
        part: a number for each pixel; `Suite.parts` says which numbers belong to which part.
    """

    image: Float[Tensor, "view 3 height width"]
    depth: Float[Tensor, "view 1 height width"] | None = None
    opacity: Float[Tensor, "view 1 height width"] | None = None
    normal: Float[Tensor, "view 3 height width"] | None = None
    part: Integer[Tensor, "view 1 height width"] | None = None

    def __len__(self) -> int:
        return len(self.image)

    @property
    def solid(self) -> Bool[Tensor, "view 1 height width"] | None:
        """Where the subject is; None without opacity."""
        return None if self.opacity is None else self.opacity > SOLID


@dataclass(frozen=True, kw_only=True)
class Item:
    """One input image, and the views by which a method's lift of it is scored.

    Attributes:
        name: unique in its suite, of letters, digits, `.` and `-`.
        image: the input, square, in [-1, 1], of any size (it is resized for each method). None if
            the file couldn't be read: such an item still counts, with its note.
        targets: the cameras of the scored views; view 0 is usually that of the input.
        subject: views of one subject are resampled together. Empty: the item's name.
        group: scores are also reported by group (a skin tone); None for no group.
        camera: the input's; None if unknown.
        reference: one view for each target; None if there is none.
        face_found: whether a detector found a face (true where none had to be found).
        note: for readers of the scores.
        sequence: name of the video of which it is a frame (items are in order); for jitter.
        first_is_given: the first target is the camera of the input although its pose in the
            teacher's world is unknown: yaw gaps are counted from it.
    """

    name: str
    image: Float[Tensor, "3 height width"] | None
    targets: Camera
    subject: str = ""
    group: str | None = None
    camera: Camera | None = None
    reference: ItemViews | None = None
    face_found: bool = True
    note: str = ""
    sequence: str | None = None
    first_is_given: bool = False

    @property
    def gap_from(self) -> Camera | None:
        """The camera from which yaw gaps are counted, in the targets' frame; None if unknown."""
        return self.targets[:1] if self.camera is None and self.first_is_given else self.camera

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"the item {self.name!r} can't name files: use letters, digits, . and -, and begin"
                " with a letter or digit"
            )
        if self.reference is not None and len(self.reference) != len(self.targets):
            raise ValueError(
                f"item {self.name} has {len(self.targets)} target cameras and"
                f" {len(self.reference)} reference views: give one each"
            )


@dataclass(frozen=True)
class SuiteContext:
    """What a suite may know of the student that is evaluated; every suite's constructor takes it as
    `context`.

    Attributes:
        passport: of the student's teacher: cameras, background, resolution.
        sampler: draws identities of that teacher; None without a teacher.
        image_size: side of the student's input.
        device: where the teacher renders.
        weights: folder of published networks.
    """

    passport: Passport
    sampler: Sampler | None = None
    image_size: int = 256
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    weights: Path = Path("weights")
