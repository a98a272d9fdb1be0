"""One face of a live picture: its square in every frame, from what was seen until now."""

import math

import numpy as np
from jaxtyping import Float

from .alignment import crop_of_box, crop_of_landmarks
from .crop import Crop
from .face import DetectedFace, Picture
from .film_track import CUT_SECONDS, CUT_SIDES, PATIENCE_SECONDS
from .framing import FaceCrops, Framed
from .one_euro import OneEuro
from .tracking import FaceTracker

LIVE_SQUARE = OneEuro(cutoff_hz=1.0, beta=5.0)
"""Of the same four numbers as `film_track.SQUARE`, forwards in time only: more jitter than a film's
filter and half its lag (docs/films.md).
"""

FORGET_SECONDS = 30.0
"""A face that was lost for so long is a new one when it comes back: a stream may last for days."""


class LiveFace:
    """Follows the wanted face; where none is found, its last square stays.

    A face that was lost for more than a second gives way to another one. While it is in sight,
    nothing else is looked for.

    Args:
        framing: whose detector and choice of faces count; `all` is taken as `largest`.
    """

    def __init__(self, framing: FaceCrops) -> None:
        choice = "largest" if framing.faces == "all" else framing.faces
        self.framing = FaceCrops(framing.detector, choice)
        # one face is enough: a search takes as long as several frames
        self.tracker = FaceTracker(framing.detector, FORGET_SECONDS, search_seconds=math.inf)
        self._wanted: int | None = None
        self._seen = -math.inf
        self._filter = LIVE_SQUARE.fresh()
        self._last: Float[np.ndarray, " 4"] | None = None
        self._framed: Framed | None = None

    def frame(self, picture: Picture, seconds: float) -> Framed:
        """The square in the next frame; the middle of the picture before a face was seen.

        Args:
            picture: the frame.
            seconds: its time, later than the last one's.
        """
        face = self._face(self.tracker.update(picture, seconds), picture, seconds)
        square = None if face is None else _square(face)
        if square is not None:
            crop = self._smooth(square, seconds)
            self._framed = Framed(crop, may_reach_outside=True)
        elif self._framed is None:
            return Framed(Crop.centre(*picture.image.size), face_found=False)
        return self._framed

    def _face(
        self, faces: dict[int, DetectedFace], picture: Picture, seconds: float
    ) -> DetectedFace | None:
        is_lost = seconds - self._seen > PATIENCE_SECONDS
        if faces and self._wanted not in faces and (self._wanted is None or is_lost):
            chosen = self.framing.chosen(list(faces.values()), picture.image.size)
            named = [name for name, face in faces.items() if any(face is one for one in chosen)]
            self._wanted = named[0] if named else self._wanted
        return None if self._wanted is None else faces.get(self._wanted)

    def _smooth(self, square: Float[np.ndarray, " 4"], seconds: float) -> Crop:
        """Middle and logarithm of the size in sides of the last square, roll."""
        last = self._last
        if last is not None:
            moved = float(np.hypot(*(square[:2] - last[:2]))) / last[2]
            if moved > CUT_SIDES or seconds - self._seen > CUT_SECONDS:
                last = None
        if last is None:
            self._filter, self._unit = LIVE_SQUARE.fresh(), float(square[2])
        else:
            turns = round((square[3] - last[3]) / (2 * math.pi))
            square = square - (0, 0, 0, turns * 2 * math.pi)
        self._last, self._seen = square, seconds
        x, y, side, roll = square.tolist()
        scaled = np.array([x / self._unit, y / self._unit, math.log(side), roll])
        x, y, size, roll = self._filter(scaled, seconds).tolist()
        return Crop.about((x * self._unit, y * self._unit), math.exp(size), math.degrees(roll))


def _square(face: DetectedFace) -> Float[np.ndarray, " 4"] | None:
    """Middle, side, pixels, and roll, radians; None: its landmarks look like no face."""
    try:
        is_box = face.landmarks is None
        crop = crop_of_box(face) if is_box else crop_of_landmarks(face.five_points())
    except ValueError:
        return None
    x, y = crop.from_square(np.array([[0.5, 0.5]]))[0]
    return np.array([x, y, crop.size, math.radians(crop.roll_deg)])
