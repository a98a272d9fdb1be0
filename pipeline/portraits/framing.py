"""Which squares of a photograph become a model's input: all of it, the middle, a given square, or
the faces that a detector finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from teachers.rendering.camera import Camera

from .alignment import crop_of_box, crop_of_landmarks
from .crop import Crop
from .face import DetectedFace, LandmarkDetector, Landmarks, Picture
from .pose import Lens, Pose, fit_pose

BAD_FIT = 0.06
"""Root mean square distance between the points and the fitted mean face, in sides of the crop;
above it the pose is called doubtful.
"""


@dataclass(frozen=True)
class Framed:
    """One square of a photograph.

    Attributes:
        crop: its position.
        camera: that took it (a batch of one); None: unknown.
        pose: how the camera was fitted to a face; None: it wasn't.
        face_found: false if a detector found none.
        note: a remark for the user, or "".
        landmarks: of the face, pixels of the photograph.
        may_reach_outside: whether the photograph is mirrored beyond its edges; otherwise such a
            square is an error.
    """

    crop: Crop
    camera: Camera | None = None
    pose: Pose | None = None
    face_found: bool = True
    note: str = ""
    landmarks: Landmarks | None = None
    may_reach_outside: bool = False

    def resized(self, before: tuple[int, int], after: tuple[int, int]) -> "Framed":
        """The same square of a copy of the photograph whose sides became `after`."""
        scale = np.array(after) / np.array(before)
        return replace(
            self,
            crop=self.crop.resized(before, after),
            landmarks=None if self.landmarks is None else self.landmarks * scale,
        )

    def cut(
        self, picture: Image.Image, resolution: int
    ) -> Float[Tensor, "3 resolution resolution"]:
        """The square out of the picture, in [-1, 1].

        Raises:
            ValueError: it reaches outside the picture although it may not.
        """
        outside: Literal["mirror", "refuse"] = "mirror" if self.may_reach_outside else "refuse"
        return self.crop.cut(picture, resolution, outside=outside)


@runtime_checkable
class Framing(Protocol):
    """Chooses the squares."""

    def frame(self, picture: Picture) -> list[Framed]:
        """At least one square; ValueError if the photograph can't be framed in this way."""
        ...


class WholePicture:
    """All of a photograph that is a crop already; ValueError if it isn't square."""

    def frame(self, picture: Picture) -> list[Framed]:
        """One square."""
        width, height = picture.image.size
        if width != height:
            raise ValueError(
                f"{width}x{height} pixels are no square: crop the picture, or let portraits=centre"
                " or a detector do it"
            )
        return [Framed(Crop(0, 0, width))]


class CentreSquare:
    """The largest square in the middle; no face is looked for."""

    def frame(self, picture: Picture) -> list[Framed]:
        """One square."""
        return [Framed(Crop.centre(*picture.image.size))]


@dataclass(frozen=True)
class GivenSquare:
    """The same square of every photograph; ValueError if it reaches outside."""

    crop: Crop

    def frame(self, picture: Picture) -> list[Framed]:
        """One square."""
        return [Framed(self.crop)]


class FaceCrops:
    """EG3D's crop of the faces that a detector finds, with their cameras if it finds landmarks.

    A photograph without a face is not dropped: its middle is taken, with `face_found` false.

    Args:
        detector: of faces.
        faces: which of several: `largest`, `nearest_centre`, `all` (from left to right), or a
            number: 1 is the leftmost.

    Raises:
        ValueError: another value of `faces`.
    """

    def __init__(self, detector: LandmarkDetector, faces: str | int = "largest") -> None:
        is_number = isinstance(faces, int) and not isinstance(faces, bool) and faces >= 1
        if faces not in ("largest", "nearest_centre", "all") and not is_number:
            raise ValueError(
                f"faces is {faces!r}: give largest, nearest_centre, all, or a number from 1"
            )
        self.detector = detector
        self.faces = faces

    def frame(self, picture: Picture) -> list[Framed]:
        """One square for each face."""
        found = self.detector.detect(picture)
        if not found:
            note = f"no face found ({self.detector.name}): this is the middle of the picture"
            return [Framed(Crop.centre(*picture.image.size), face_found=False, note=note)]
        kept = self.chosen(found, picture.image.size)
        if not kept:
            note = f"no face number {self.faces} from the left: this is the middle of the picture"
            return [Framed(Crop.centre(*picture.image.size), face_found=False, note=note)]
        return [
            self.framed(face, picture, self._remark(len(found), number))
            for number, face in enumerate(kept)
        ]

    def chosen(self, found: list[DetectedFace], size: tuple[int, int]) -> list[DetectedFace]:
        """The wanted ones of the faces in a picture of this width and height, pixels."""
        if self.faces == "all":
            return sorted(found, key=lambda face: face.left)
        if isinstance(self.faces, int):
            return sorted(found, key=lambda face: face.left)[self.faces - 1 : self.faces]
        if self.faces == "largest":
            return [max(found, key=lambda face: face.width * face.height)]
        return [
            min(
                found,
                key=lambda face: (
                    abs(face.centre[0] - size[0] / 2) ** 2 + abs(face.centre[1] - size[1] / 2) ** 2
                ),
            )
        ]

    def _remark(self, count: int, number: int) -> list[str]:
        if count == 1:
            return []
        taken = {
            "largest": "the largest was taken",
            "nearest_centre": "the one nearest the centre was taken",
        }
        place = self.faces if isinstance(self.faces, int) else number + 1
        return [
            f"{count} faces: " + taken.get(str(self.faces), f"this is number {place} from the left")
        ]

    def framed(self, face: DetectedFace, picture: Picture, remarks: Sequence[str] = ()) -> Framed:
        """The square of one face that was found, with remarks for the user.

        Raises:
            ValueError: its landmarks look like no face.
        """
        pose = None
        if face.landmarks is None:
            crop = crop_of_box(face)
            remarks = [*remarks, f"pose unknown: {self.detector.name} finds a box, no landmarks"]
        else:
            crop = crop_of_landmarks(face.five_points())
            pose = fit_pose(crop.to_square(face.pose_points()), _lens(picture, crop))
            if pose.is_focal_known:
                remarks = [
                    *remarks,
                    f"the focal length is EXIF's: the camera was {pose.distance_m:.2g} m away",
                ]
            if pose.residual > BAD_FIT:
                remarks = [
                    *remarks,
                    (
                        f"the landmarks are {100 * pose.residual:.0f} % of the crop off a face:"
                        " pose doubtful"
                    ),
                ]
        outside = crop.outside(*picture.image.size)
        if outside > 0.005:
            remarks = [
                *remarks,
                f"{100 * outside:.0f} % of the crop lie outside the picture: mirrored there",
            ]
        return Framed(
            crop,
            None if pose is None else pose.camera,
            pose,
            note="; ".join(remarks),
            landmarks=face.landmarks,
            may_reach_outside=True,
        )


def _lens(picture: Picture, crop: Crop) -> Lens | None:
    """The photograph's camera, in sides of the crop."""
    if picture.focal_px is None:
        return None
    middle = np.array([picture.image.size], dtype=np.float64) / 2
    u, v = crop.to_square(middle)[0].tolist()
    return Lens(picture.focal_px / crop.size, (u, v))
