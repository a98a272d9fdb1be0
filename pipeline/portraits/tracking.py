"""Faces followed from frame to frame: which detection is whose, lost and found again."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .cascade import overlap
from .face import DetectedFace, LandmarkDetector, Picture

SEARCH_SECONDS = 1.0
"""Time between two searches of the whole frame while a face is in sight."""

LOST_SECONDS = 0.2
"""The same while none is."""

EAGER_SECONDS = 0.5
"""For this long after a face was lost, and until the first one, every frame is searched."""

SAME_FACE = 0.3
"""Intersection over union from which on two boxes are one face."""

REACH, REACH_PER_SECOND = 0.6, 4.0
"""How far a face may be from where it was lost, in sides of its box: at once, and for each second
that has passed.
"""


@runtime_checkable
class FollowingDetector(Protocol):
    """A detector that finds a face again from where it was, for less than a search costs."""

    def follow(self, picture: Picture, faces: list[DetectedFace]) -> list[DetectedFace | None]:
        """One entry for each face of the frame before; None: it isn't there."""
        ...


@dataclass
class Track:
    """One face over time.

    Attributes:
        number: from 0 in the order in which they were first seen.
        face: as it was last seen.
        seconds: when that was.
    """

    number: int
    face: DetectedFace
    seconds: float


class FaceTracker:
    """Gives every face a number that it keeps.

    A detector that can follow runs a search only where a face is missing, and once a second for new
    ones; others search every frame. A face that was lost and a new one are the same if their boxes
    overlap or lie near each other, the farther the longer it was lost. Nobody is recognised: two
    faces that cross behind each other may swap their numbers.

    Args:
        detector: of faces.
        forget_seconds: a face that was lost for longer is forgotten.
        search_seconds: between two searches while a face is in sight.
    """

    def __init__(
        self,
        detector: LandmarkDetector,
        forget_seconds: float = math.inf,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        self.detector = detector
        self.forget_seconds, self.search_seconds = forget_seconds, search_seconds
        self.tracks: list[Track] = []
        self._count = 0
        self._searched = -math.inf

    def update(self, picture: Picture, seconds: float) -> dict[int, DetectedFace]:
        """The faces in the next frame, by their numbers.

        Args:
            picture: the frame.
            seconds: its time, later than the last one's.

        Raises:
            ValueError: as the detector.
        """
        self.tracks = [
            track for track in self.tracks if seconds - track.seconds <= self.forget_seconds
        ]
        before = max((track.seconds for track in self.tracks), default=-math.inf)
        seen = self._followed(picture, seconds, before)
        if self._is_search_due(seconds, any_seen=bool(seen)):
            self._searched = seconds
            self._assign(self.detector.detect(picture), seen, seconds)
        return {track.number: track.face for track in seen}

    def _followed(self, picture: Picture, seconds: float, before: float) -> list[Track]:
        if not isinstance(self.detector, FollowingDetector):
            return []
        active = [track for track in self.tracks if track.seconds == before]
        seen: list[Track] = []
        found = self.detector.follow(picture, [track.face for track in active]) if active else []
        for track, face in zip(active, found, strict=True):
            # Two squares can slip onto one face: the older track keeps it.
            if face is not None and all(overlap(face, one.face) < SAME_FACE for one in seen):
                track.face, track.seconds = face, seconds
                seen.append(track)
        return seen

    def _is_search_due(self, seconds: float, *, any_seen: bool) -> bool:
        if not isinstance(self.detector, FollowingDetector):
            return True
        last = [track.seconds for track in self.tracks if track.seconds < seconds]
        if not self.tracks or any(seconds - time < EAGER_SECONDS for time in last):
            return True
        due = self._searched + (self.search_seconds if any_seen else LOST_SECONDS)
        return seconds >= due - 1e-6

    def _assign(self, found: list[DetectedFace], seen: list[Track], seconds: float) -> None:
        """Detections that no track has seen: of the nearest lost track, or of a new one."""
        new = [
            face for face in found if all(overlap(face, track.face) < SAME_FACE for track in seen)
        ]
        lost = [track for track in self.tracks if track not in seen]
        pairs = sorted(
            (
                (_distance(track.face, face), number, track.number)
                for number, face in enumerate(new)
                for track in lost
                if _distance(track.face, face)
                < REACH + REACH_PER_SECOND * (seconds - track.seconds)
            ),
        )
        taken: dict[int, Track] = {}
        by_number = {track.number: track for track in lost}
        for _, number, name in pairs:
            if number not in taken and name in by_number:
                taken[number] = by_number.pop(name)
        for number, face in enumerate(new):
            track = taken.get(number)
            if track is None:
                track = Track(self._count, face, seconds)
                self._count += 1
                self.tracks.append(track)
            track.face, track.seconds = face, seconds
            seen.append(track)


def _distance(one: DetectedFace, other: DetectedFace) -> float:
    """Between the centres, and between the logarithms of the sizes, in sides of the first's box."""
    side = max(one.width, one.height)
    across, down = (a - b for a, b in zip(one.centre, other.centre, strict=True))
    scale = math.log(max(other.width, other.height) / side)
    return math.hypot(across / side, down / side, scale)
