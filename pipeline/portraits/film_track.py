"""The faces of a film: one square and one camera a frame that don't jitter."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from tqdm import tqdm

from teachers.rendering.camera import Camera

from . import mean_face
from .alignment import crop_of_box, crop_of_landmarks
from .crop import Crop
from .face import DetectedFace, Picture
from .film import TICKS, FilmFrame, read_film
from .framing import FaceCrops, Framed, Framing
from .one_euro import OneEuro, smoothed
from .pose import fit_pose
from .tracking import FaceTracker

SQUARE = OneEuro(cutoff_hz=0.5, beta=2.0)
"""Of middle x, middle y and logarithm of the size (in sides of the square) and roll (radians); the
least error among those with about the least jitter on training sequences of the world of heads
(`docs/figures/film_jitter.py --split train --search`), in both directions of time.
"""

ANGLES = OneEuro(cutoff_hz=0.5, beta=1.0)
"""Of yaw, pitch and roll of the head, radians; chosen likewise."""

CUT_SECONDS = 0.5
"""A face that was lost for longer is smoothed anew when it is found."""

CUT_SIDES = 0.5
"""A square that moves so far from one frame to the next, in its sides, has jumped: likewise."""

PATIENCE_SECONDS = 1.0
"""The wanted face may be lost for so long before another one is taken instead of it."""

FLICKER_SECONDS = 0.5
"""Faces that are seen for less are no faces, unless the film is about as short."""


@dataclass(frozen=True)
class FaceTrack:
    """One face over a film; NaN where it was never seen or its angles are unknown.

    Attributes:
        squares: x and y of the middle, side (pixels of the upright frame), roll (radians).
        angles: yaw, pitch and roll of the head in the picture, radians.
        is_seen: whether it was found in the frame; squares of others lie between their neighbours'.
    """

    squares: Float[np.ndarray, "frame 4"]
    angles: Float[np.ndarray, "frame 3"]
    is_seen: Bool[np.ndarray, " frame"]

    def crop(self, frame: int) -> Crop:
        """The square of a frame."""
        x, y, side, roll = self.squares[frame].tolist()
        return Crop.about((x, y), side, math.degrees(roll))

    def crop_angles(self) -> Float[np.ndarray, "frame 3"]:
        """Yaw, pitch and roll of the head in its square."""
        rolls = self.angles[:, 2] - self.squares[:, 3]
        return np.stack([self.angles[:, 0], self.angles[:, 1], rolls], 1)

    def camera(self, frame: int) -> Camera | None:
        """The camera of the square in EG3D's world; None: unknown."""
        yaw, pitch, roll = self.crop_angles()[frame].tolist()
        if math.isnan(yaw):
            return None
        pivot = mean_face.in_world(np.zeros((1, 3)))[0].tolist()
        return Camera.orbit(
            torch.tensor([yaw]),
            torch.tensor([pitch]),
            roll=torch.tensor([roll]),
            radius=mean_face.RADIUS,
            pivot=(pivot[0], pivot[1], pivot[2]),
            focal=mean_face.FOCAL,
        )

    def framed(self, frame: int) -> Framed:
        """The square as every framing gives one."""
        is_seen = bool(self.is_seen[frame])
        return Framed(
            self.crop(frame),
            self.camera(frame),
            face_found=is_seen,
            note="" if is_seen else "no face found: this is where it should be",
            may_reach_outside=True,
        )


@dataclass(frozen=True)
class FilmTrack:
    """What a first pass over a film finds.

    Attributes:
        numbers: of the frames in the film, from 0 (`every` leaves some out).
        ticks: their times, in `film.TICKS` of a second.
        end: when the last one ends.
        size: width and height of the upright frames, pixels.
        faces: those that are wanted, or one square that isn't a face's.
    """

    numbers: Int[np.ndarray, " frame"]
    ticks: Int[np.ndarray, " frame"]
    end: int
    size: tuple[int, int]
    faces: tuple[FaceTrack, ...]

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def seconds(self) -> Float[np.ndarray, " frame"]:
        """Times of the frames, seconds."""
        return self.ticks / TICKS

    def arrays(self) -> dict[str, np.ndarray]:
        """For a file; `of` reads it."""
        per_face = {
            f"{name}{number}": getattr(face, name)
            for number, face in enumerate(self.faces)
            for name in ("squares", "angles", "is_seen")
        }
        facts = np.array([self.end, *self.size, len(self.faces)])
        return {"numbers": self.numbers, "ticks": self.ticks, "facts": facts, **per_face}

    @classmethod
    def of(cls, arrays: Any) -> "FilmTrack":
        """From `arrays`."""
        end, width, height, count = arrays["facts"].tolist()
        faces = [
            FaceTrack(*(arrays[f"{name}{number}"] for name in ("squares", "angles", "is_seen")))
            for number in range(count)
        ]
        return cls(arrays["numbers"], arrays["ticks"], end, (width, height), tuple(faces))


def frames_of(
    path: Path,
    *,
    background: float = 1.0,
    every: int = 1,
    most: int | None = None,
    start: int | None = None,
) -> Iterator[tuple[int, FilmFrame]]:
    """The frames of a film that are wanted, numbered from the first that is read (`read_film`)."""
    frames = enumerate(read_film(path, background=background, start=start))
    return itertools.islice(frames, 0, None if most is None else every * most, every)


def track_film(
    path: Path,
    framing: Framing,
    *,
    background: float = 1.0,
    every: int = 1,
    most: int | None = None,
    is_smooth: bool = True,
) -> FilmTrack:
    """Follows the faces of a film from its first frame to its last.

    Args:
        path: the film.
        framing: `FaceCrops`, whose detector and choice of faces count, or anything else, whose
            first square of each frame is taken as it is.
        background: grey level in [0, 1] behind transparent pixels.
        every: stride of the frames.
        most: maximum number of frames; None: all.
        is_smooth: whether squares and angles are filtered.

    Raises:
        ValueError: the film can't be read (`read_film`), or the face of the wanted number isn't in
            it.
    """
    tracker = FaceTracker(framing.detector) if isinstance(framing, FaceCrops) else None
    found: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
    numbers, ticks, durations, size = list[int](), list[int](), list[int](), (0, 0)
    frames = frames_of(path, background=background, every=every, most=most)
    for number, frame in tqdm(
        frames, desc=f"tracking {path.name}", unit="frame", mininterval=1, disable=None
    ):
        picture, size = Picture(frame.image, path, number), frame.image.size
        seen = (
            {0: _given(framing.frame(picture)[0])}
            if tracker is None
            else _measured(tracker.update(picture, frame.ticks / TICKS))
        )
        for name, row in seen.items():
            found[name][len(ticks)] = row
        numbers.append(number)
        ticks.append(frame.ticks)
        durations.append(frame.duration)
    times = np.array(ticks, dtype=np.int64)
    usual = int(np.median(np.diff(times))) if len(times) > 1 else durations[-1] or TICKS // 25
    track = FilmTrack(
        np.array(numbers, dtype=np.int64),
        times,
        ticks[-1] + (durations[-1] * every or usual),
        size,
        tuple(_raw(rows, len(times)) for rows in found.values()),
    )
    if not isinstance(framing, FaceCrops):
        return track
    faces = [_smooth(face, track.seconds) if is_smooth else face for face in track.faces]
    chosen = _chosen(replace(track, faces=tuple(faces)), framing.faces)
    return replace(track, faces=tuple(_between(face, track) for face in chosen))


def _given(framed: Framed) -> Float[np.ndarray, " 7"]:
    crop = framed.crop
    middle = crop.from_square(np.array([[0.5, 0.5]]))[0]
    return np.array([*middle, crop.size, math.radians(crop.roll_deg), *[math.nan] * 3])


def _measured(faces: dict[int, DetectedFace]) -> dict[int, Float[np.ndarray, " 7"]]:
    """Square and angles of each face; what looks like no face is left out."""
    found = {}
    for name, face in faces.items():
        try:
            found[name] = _of_face(face)
        except ValueError:
            continue
    return found


def _of_face(face: DetectedFace) -> Float[np.ndarray, " 7"]:
    if face.landmarks is None:
        return _given(Framed(crop_of_box(face)))
    crop = crop_of_landmarks(face.five_points())
    pose = fit_pose(crop.to_square(face.pose_points()), interval=False)
    row = _given(Framed(crop))
    yaw, pitch, roll = (math.radians(a) for a in (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    row[4:] = yaw, pitch, roll + row[3]
    return row


def _raw(rows: dict[int, np.ndarray], count: int) -> FaceTrack:
    table = np.full((count, 7), np.nan)
    for frame, row in rows.items():
        table[frame] = row
    return FaceTrack(table[:, :4], table[:, 4:], ~np.isnan(table[:, 0]))


def _smooth(face: FaceTrack, seconds: Float[np.ndarray, " frame"]) -> FaceTrack:
    """Filtered in both directions of time, piece by piece."""
    squares, angles = face.squares.copy(), face.angles.copy()
    for rows in _pieces(face, seconds):
        unit = float(np.median(squares[rows, 2]))
        scaled = np.stack(
            [
                squares[rows, 0] / unit,
                squares[rows, 1] / unit,
                np.log(squares[rows, 2]),
                np.unwrap(squares[rows, 3]),
            ],
            1,
        )
        x, y, size, roll = smoothed(scaled, seconds[rows], SQUARE).T
        squares[rows] = np.stack([x * unit, y * unit, np.exp(size), roll], 1)
        angles[rows] = smoothed(np.unwrap(angles[rows], axis=0), seconds[rows], ANGLES)
    return FaceTrack(squares, angles, face.is_seen)


def _pieces(face: FaceTrack, seconds: Float[np.ndarray, " frame"]) -> list[np.ndarray]:
    """Rows in which the face was seen, split where it was lost for long or has jumped."""
    rows = np.flatnonzero(face.is_seen)
    if len(rows) == 0:
        return []
    squares = face.squares[rows]
    moved = np.linalg.norm(np.diff(squares[:, :2], axis=0), axis=1) / squares[:-1, 2]
    is_cut = (np.diff(seconds[rows]) > CUT_SECONDS) | (moved > CUT_SIDES)
    return np.split(rows, np.flatnonzero(is_cut) + 1)


def begins(face: FaceTrack, seconds: Float[np.ndarray, " frame"]) -> frozenset[int]:
    """Rows in which a face is seen first, or after a cut: it may be another one's."""
    return frozenset(int(rows[0]) for rows in _pieces(face, seconds))


def _chosen(track: FilmTrack, faces: str | int) -> list[FaceTrack]:
    """The wanted faces; none if there are none at all."""
    shortest = min(FLICKER_SECONDS, (track.end - int(track.ticks[0])) / TICKS / 2)
    usual = (track.end - int(track.ticks[0])) / TICKS / len(track)
    durable = [face for face in track.faces if face.is_seen.sum() * usual >= shortest]
    kept = durable or list(track.faces)
    if not kept:
        return []
    ordered = sorted(kept, key=lambda face: float(np.nanmedian(face.squares[:, 0])))
    if faces == "all":
        return ordered
    if isinstance(faces, int):
        if faces > len(ordered):
            raise ValueError(f"{len(ordered)} faces, and number {faces} was wanted: give faces=all")
        return [ordered[faces - 1]]
    if faces == "largest":
        kept = sorted(kept, key=lambda face: -float(np.nansum(face.squares[:, 2] ** 2)))
    else:
        middle = np.array(track.size) / 2
        kept = sorted(
            kept,
            key=lambda face: float(
                np.nanmean(np.linalg.norm(face.squares[:, :2] - middle, axis=1))
            ),
        )
    return [_filled(kept, track.seconds)]


def _filled(faces: list[FaceTrack], seconds: Float[np.ndarray, " frame"]) -> FaceTrack:
    """The first face; where it is lost for long, those after it in their order."""
    first = faces[0]
    squares, angles, is_seen = first.squares.copy(), first.angles.copy(), first.is_seen.copy()
    for other in faces[1:]:
        gaps = np.flatnonzero(~is_seen)
        for rows in np.split(gaps, np.flatnonzero(np.diff(gaps) > 1) + 1):
            if len(rows) and seconds[rows[-1]] - seconds[rows[0]] >= PATIENCE_SECONDS:
                taken = rows[other.is_seen[rows]]
                squares[taken], angles[taken] = other.squares[taken], other.angles[taken]
                is_seen[taken] = True
    return FaceTrack(squares, angles, is_seen)


def _between(face: FaceTrack, track: FilmTrack) -> FaceTrack:
    """Frames in which it wasn't seen get what lies between their neighbours."""
    seen, seconds = face.is_seen, track.seconds

    def filled(values: np.ndarray) -> np.ndarray:
        known = seen & ~np.isnan(values)
        return np.interp(seconds, seconds[known], values[known]) if known.any() else values

    columns = [np.stack([filled(one) for one in part.T], 1) for part in (face.squares, face.angles)]
    return FaceTrack(columns[0], columns[1], seen)
