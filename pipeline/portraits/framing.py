"""Which squares of a picture are given to a model: the whole of it, the middle, a given square, or
each face that a detector finds.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from teachers.rendering.camera import Camera

from .alignment import crop_of_box, crop_of_landmarks
from .crop import Crop
from .face import Face, LandmarkDetector, Landmarks, Picture
from .pose import fit_pose

BAD_FIT = 0.06
"""Parts of the crop's side by which five points may miss the mean face (root mean square) without a
remark.
"""


@dataclass(frozen=True)
class Framed:
    """One square of a picture.

    Attributes:
        crop: where it is.
        camera: that which took it (a batch of one); None if nobody knows.
        face_found: false if a face was looked for and there was none.
        note: what a reader should know, or "".
        landmarks: those of the face, pixels of the picture.
        may_reach_outside: the picture is mirrored beyond its edges; otherwise such a square is
            refused.
    """

    crop: Crop
    camera: Camera | None = None
    face_found: bool = True
    note: str = ""
    landmarks: Landmarks | None = None
    may_reach_outside: bool = False

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
    """Finds the squares."""

    def frame(self, picture: Picture) -> list[Framed]:
        """At least one square; ValueError if the picture can't be framed so."""
        ...


class WholePicture:
    """For pictures that are crops already: all of it; one that isn't square is refused."""

    def frame(self, picture: Picture) -> list[Framed]:
        """The picture itself."""
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
    """The same square of every picture; one that it reaches out of is refused."""

    crop: Crop

    def frame(self, picture: Picture) -> list[Framed]:
        """One square."""
        return [Framed(self.crop)]


class FaceCrops:
    """EG3D's crop of the faces that a detector finds, with their cameras where it finds landmarks.

    A picture without a face gives its middle, with `face_found` false: it is kept.

    Args:
        detector: finds them.
        faces: which of several: `largest`, `nearest_centre` or `all` (from left to right).
    """

    def __init__(self, detector: LandmarkDetector, faces: str = "largest") -> None:
        if faces not in ("largest", "nearest_centre", "all"):
            raise ValueError(f"faces is {faces!r}: give largest, nearest_centre or all")
        self.detector = detector
        self.faces = faces

    def frame(self, picture: Picture) -> list[Framed]:
        """One square a face."""
        found = self.detector.detect(picture)
        if not found:
            note = f"no face found ({self.detector.name}): this is the middle of the picture"
            return [Framed(Crop.centre(*picture.image.size), face_found=False, note=note)]
        kept = self._chosen(found, picture.image.size)
        return [
            self._framed(face, picture.image.size, self._remark(len(found), number))
            for number, face in enumerate(kept)
        ]

    def _chosen(self, found: list[Face], size: tuple[int, int]) -> list[Face]:
        if self.faces == "all":
            return sorted(found, key=lambda face: face.left)
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
        return [
            f"{count} faces: " + taken.get(self.faces, f"this is number {number + 1} from the left")
        ]

    def _framed(self, face: Face, size: tuple[int, int], remarks: list[str]) -> Framed:
        if face.landmarks is None:
            crop, camera = crop_of_box(face), None
            remarks = [*remarks, f"pose unknown: {self.detector.name} finds a box, no landmarks"]
        else:
            crop = crop_of_landmarks(face.five_points())
            pose = fit_pose(crop.to_square(face.five_points()))
            camera = pose.camera
            if pose.residual > BAD_FIT:
                remarks = [
                    *remarks,
                    (
                        f"the landmarks are {100 * pose.residual:.0f} % of the crop off a face:"
                        " pose doubtful"
                    ),
                ]
        outside = crop.outside(*size)
        if outside > 0.005:
            remarks = [
                *remarks,
                f"{100 * outside:.0f} % of the crop lie outside the picture: mirrored there",
            ]
        return Framed(
            crop, camera, note="; ".join(remarks), landmarks=face.landmarks, may_reach_outside=True
        )
