"""A film in, a film out: every frame lifted, seen along a camera path, with the film's sound."""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from pipeline.pictures import labelled, to_uint8, write_png
from pipeline.portraits.film import TICKS
from pipeline.portraits.film_track import FilmTrack, begins
from pipeline.portraits.front_door import Portrait
from pipeline.portraits.hooks.chain import Hooks
from pipeline.runs.files import write_json, write_text
from teachers.passport import Passport
from teachers.plain_values import read_json_file
from teachers.rendering.camera import Camera

from .camera_paths import FilmPath
from .film_container import Frame, join_pieces, require_encoder, write_piece
from .reconstructor import LiftedPortrait
from .sheet import enlarged
from .triplane_file import save_triplane

NAME, FACTS, WORK, KEPT = "film.mp4", "film.json", ".film", "frames"

Lift = Callable[[Float[Tensor, "batch 3 height width"], list[Camera | None]], list[LiftedPortrait]]


@runtime_checkable
class RememberingLift(Protocol):
    """A `Lift` whose result depends on the frames before."""

    def __call__(
        self, images: Float[Tensor, "batch 3 height width"], cameras: list[Camera | None]
    ) -> list[LiftedPortrait]:
        """The next frames in their order."""
        ...

    def last(self) -> LiftedPortrait | None:
        """The last frame's head again; None before the first."""
        ...

    def forget(self) -> None:
        """The next frame begins anew."""
        ...

    def save(self, path: Path) -> None:
        """Writes what is remembered."""
        ...

    def restore(self, path: Path) -> None:
        """Reads it."""
        ...


@dataclass(frozen=True, kw_only=True)
class FilmSettings:
    """How a film is lifted.

    Attributes:
        camera: from where its heads are looked at.
        side_by_side: whether what the student saw is shown at the left.
        side: of the pictures, at least, pixels.
        frames: whether each frame's square and planes are kept, too (`frames/00012.png` and
            `.safetensors`).
        batch: frames that are lifted at once.
        piece: frames between two points from which an interrupted film goes on.
        track: whether faces are followed and their squares smoothed; otherwise each frame's square
            is that of its own landmarks.

    Raises:
        ValueError: a batch or piece below 1, or an odd side.
    """

    camera: FilmPath = field(default_factory=FilmPath)
    side_by_side: bool = False
    side: int = 256
    frames: bool = False
    batch: int = 8
    piece: int = 240
    track: bool = True

    def __post_init__(self) -> None:
        if self.batch < 1 or self.piece < 1 or self.side < 16 or self.side % 2:
            raise ValueError(
                f"batch {self.batch}, piece {self.piece}, side {self.side}: give at least 1 frame,"
                " and an even number of pixels from 16 (H.264 needs even sides)"
            )


@dataclass(frozen=True)
class FilmJob:
    """One face of one film.

    Attributes:
        source: the film.
        track: its first pass.
        face: number in the track.
        portraits: the second pass from a row on.
        lift: images and their cameras → identities.
        passport: of the teacher whose planes these are.
        settings: how it is lifted.
        key: stands for everything that decides the result; a film that was begun with another one
            is begun anew.
        hooks: that edit each square.
        label: is written on every frame; None: nothing.
    """

    source: Path
    track: FilmTrack
    face: int
    portraits: Callable[[int], Iterator[Portrait]]
    lift: Lift
    passport: Passport
    settings: FilmSettings
    key: str
    hooks: Hooks = field(default_factory=Hooks)
    label: str | None = None

    @property
    def angles(self) -> Float[np.ndarray, "frame 3"]:
        """Of the head in the picture, as the hooks leave it."""
        return self.hooks.turned(self.track.faces[self.face].angles)

    @property
    def is_seen(self) -> np.ndarray:
        """Whether the face is in sight, for each frame."""
        return self.track.faces[self.face].is_seen


def is_done(folder: Path, key: str) -> bool:
    """Whether a folder holds the film of this key."""
    facts = folder / FACTS
    return (folder / NAME).is_file() and facts.is_file() and read_json_file(facts).get("key") == key


def lift_film(
    job: FilmJob, folder: Path, finished: Callable[[Path], None] = lambda folder: None
) -> tuple[str, ...]:
    """Writes `film.mp4`, `frames.jsonl` and `film.json`; one that was interrupted goes on.

    Where the face is lost, the last head stays; before it was first seen, there is the background.
    Memory holds one batch of planes, whatever the film's length.

    Args:
        job: what is lifted.
        folder: where to.
        finished: is called with the folder when the film lies there, before it counts as done.

    Returns:
        remarks for the user.

    Raises:
        ValueError: no encoder, no angles for the path, or the source can't be read.
    """
    require_encoder()
    cameras = job.settings.camera.cameras(job.passport, job.track.seconds, job.angles)
    work = folder / WORK
    if not (work / "key").is_file() or (work / "key").read_text() != job.key:
        shutil.rmtree(work, ignore_errors=True)
        if job.settings.frames:
            _forget_frames(folder)
        write_text(work / "key", job.key)
    starts = range(0, len(job.track), job.settings.piece)
    pieces = [work / f"{start:08d}.mp4" for start in starts]
    missing = [start for start, piece in zip(starts, pieces, strict=True) if not piece.is_file()]
    ticks = job.track.ticks.tolist()
    with tqdm(
        total=len(ticks),
        initial=len(ticks) - sum(len(ticks[start:][: job.settings.piece]) for start in missing),
        desc=f"lifting {job.source.name}",
        unit="frame",
        mininterval=1,
        disable=None,
    ) as bar:
        for start, end in _runs(missing, job.settings.piece, len(ticks)):
            second = _SecondPass(job, cameras, folder, start, bar)
            if start and isinstance(job.lift, RememberingLift):
                job.lift.restore(work / f"{start:08d}.memory")
            for first in range(start, end, job.settings.piece):
                last = min(first + job.settings.piece, end)
                frames = second.frames(first, last)
                write_piece(work / f"{first:08d}.mp4", frames, ticks[first:last])
    notes = join_pieces(folder / NAME, pieces, ticks, job.track.end, job.source)
    _write_rows(job, folder)
    finished(folder)
    write_json(folder / FACTS, _facts(job, notes))
    shutil.rmtree(work, ignore_errors=True)
    return notes


def _runs(missing: list[int], piece: int, end: int) -> Iterator[tuple[int, int]]:
    """First and last row (exclusive) of pieces that follow one another and are missing."""
    while missing:
        count = 1
        while count < len(missing) and missing[count] == missing[0] + count * piece:
            count += 1
        yield missing[0], min(missing[count - 1] + piece, end)
        missing = missing[count:]


class _SecondPass:
    """The frames of the new film from a row on.

    A piece's frames are the same whether those before it were made now or by an interrupted run:
    batches end with pieces, and a head that stays from the piece before is lifted again.
    """

    def __init__(
        self, job: FilmJob, cameras: Camera, folder: Path, start: int, bar: "tqdm[Any]"
    ) -> None:
        self.job, self.cameras, self.folder, self.bar = job, cameras, folder, bar
        self.begins = begins(job.track.faces[job.face], job.track.seconds)
        seen = np.flatnonzero(job.is_seen[: start + 1])
        first = int(seen[-1]) if len(seen) else start
        self.portraits = job.portraits(first)
        self.last = None if first == start else next(self.portraits)
        for _ in range(first + 1, start):
            next(self.portraits)

    def frames(self, start: int, end: int) -> Iterator[Frame]:
        """Those of one piece."""
        job = self.job
        for row, (portrait, head) in enumerate(self._lifted(start, end), start):
            assert portrait.image is not None
            if job.settings.frames:
                _keep(self.folder / KEPT, portrait, head if portrait.face_found else None)
            picture = _picture(job, portrait.image, head, self.cameras[row : row + 1])
            yield labelled(picture, job.label)
            self.bar.update(1)
        if isinstance(job.lift, RememberingLift):  # before its piece is complete
            job.lift.save(self.folder / WORK / f"{end:08d}.memory")

    def _lifted(self, start: int, end: int) -> Iterator[tuple[Portrait, LiftedPortrait | None]]:
        """Each portrait with the head to show; batch by batch."""
        head: LiftedPortrait | None = None
        if not self.job.is_seen[start] and self.last is not None:
            lift = self.job.lift
            if isinstance(lift, RememberingLift):
                head = lift.last()
            else:
                (head,) = self._heads([self.last])
        for first in range(start, end, self.job.settings.batch):
            last = min(first + self.job.settings.batch, end)
            portraits = list(itertools.islice(self.portraits, last - first))
            found = [portrait for portrait in portraits if portrait.face_found]
            heads = iter(self._heads_in_order(first, portraits) if found else [])
            for portrait in portraits:
                if portrait.face_found:
                    head, self.last = next(heads), portrait
                yield portrait, head

    def _heads_in_order(self, first: int, portraits: list[Portrait]) -> list[LiftedPortrait]:
        """The heads of a batch; what is remembered ends at cuts."""
        lift = self.job.lift
        if not isinstance(lift, RememberingLift):
            return self._heads([portrait for portrait in portraits if portrait.face_found])
        heads: list[LiftedPortrait] = []
        run: list[Portrait] = []
        for row, portrait in enumerate(portraits, first):
            if row in self.begins:
                heads += self._heads(run) if run else []
                run = []
                lift.forget()
            if portrait.face_found:
                run.append(portrait)
        return heads + (self._heads(run) if run else [])

    def _heads(self, portraits: list[Portrait]) -> list[LiftedPortrait]:
        images = [portrait.image for portrait in portraits if portrait.image is not None]
        return self.job.lift(torch.stack(images), [portrait.camera for portrait in portraits])


def _picture(
    job: FilmJob,
    image: Float[Tensor, "3 size size"],
    head: LiftedPortrait | None,
    camera: Camera,
) -> Frame:
    resolution = job.passport.image_resolution
    side = max(job.settings.side, resolution + resolution % 2)
    if head is None:
        grey = -1.0 if job.passport.background == "black" else 1.0
        view = torch.full((3, side, side), grey)
    else:
        view = head.render(camera).image[0]
    shown = [to_uint8(enlarged(view, side))]
    if job.settings.side_by_side:
        shown = [to_uint8(enlarged(image, side)), *shown]
    return np.concatenate(shown, 1)


def _forget_frames(folder: Path) -> None:
    """Removes the frames that another film left here, which would lie among this one's: it may have
    more of them, or planes where this one sees no face. Without them it doesn't count as done.
    """
    kept = [
        path
        for path in (folder / KEPT).glob("*")
        if path.stem.isdecimal() and path.suffix in (".png", ".safetensors")
    ]
    if kept:
        (folder / FACTS).unlink(missing_ok=True)
    for path in kept:
        path.unlink()


def _keep(folder: Path, portrait: Portrait, head: LiftedPortrait | None) -> None:
    assert portrait.image is not None and portrait.frame is not None
    write_png(folder / f"{portrait.frame:05d}.png", portrait.image)
    if head is not None:
        save_triplane(folder / f"{portrait.frame:05d}.safetensors", head.triplane, head.passport)


def _write_rows(job: FilmJob, folder: Path) -> None:
    """frames.jsonl: where each frame's square is, and the head's angles in what was lifted."""
    face = job.track.faces[job.face]
    angles = np.degrees(job.hooks.turned(face.crop_angles()))
    lines = []
    for row in range(len(job.track)):
        crop = face.crop(row)
        known = None if np.isnan(angles[row]).any() else np.round(angles[row], 3).tolist()
        facts = {
            "frame": int(job.track.numbers[row]),
            "seconds": round(float(job.track.seconds[row]), 6),
            "crop": [round(v, 3) for v in (crop.left, crop.top, crop.size, crop.roll_deg)],
            "yaw_pitch_roll_deg": known,
            "face_found": bool(face.is_seen[row]),
        }
        lines.append(json.dumps(facts))
    write_text(folder / "frames.jsonl", "\n".join(lines) + "\n")


def _facts(job: FilmJob, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "key": job.key,
        "source": job.source.name,
        "frames": len(job.track),
        "lost": int((~job.is_seen).sum()),
        "seconds": round((job.track.end - int(job.track.ticks[0])) / TICKS, 6),
        "face": job.face + 1,
        "faces": len(job.track.faces),
        "camera": job.settings.camera.kind,
        "notes": list(notes),
    }
