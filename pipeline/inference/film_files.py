"""The folders that one film becomes, one for each of its faces."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.portraits.files import sidecars_of
from pipeline.portraits.film_track import FilmTrack
from pipeline.portraits.front_door import PortraitSettings, film_portraits, followed
from pipeline.runs.files import sha256_of_file, sha256_of_json, write_bytes
from teachers.passport import Passport
from teachers.plain_values import is_whole, read_json_file

from .film import FACTS, FilmJob, FilmSettings, Lift, is_done, lift_film

DONE = "was done already"
"""What is said of a film that nothing was to be done for."""


@dataclass(frozen=True, kw_only=True)
class FilmLifter:
    """Lifts films with one method.

    Attributes:
        door: how frames are framed; its `track` is that of the settings.
        settings: of films.
        lift: gives, for each face of a film, images and their cameras → identities.
        passport: of the teacher whose planes these are.
        image_size: side of the images that the method expects.
        background: grey level in [0, 1].
        decisive: what else decides the result, for JSON.
        label: is written on every frame; None: nothing.
        signed: signs a folder whose film was made from a file with this sha256; None: nothing does.
    """

    door: PortraitSettings
    settings: FilmSettings
    lift: Callable[[], Lift]
    passport: Passport
    image_size: int
    background: float
    decisive: Mapping[str, Any]
    label: str | None = None
    signed: Callable[[Path, str | None], None] | None = None

    def __call__(self, file: Path, name: str, output: Path) -> list[tuple[Path, str]]:
        """Lifts the film into `output/name`, and further faces into `name+face2`, ….

        Returns:
            each folder with a remark for the user.

        Raises:
            ValueError: the film can't be read or written, or shows no face.
        """
        if self.settings.camera.needs_angles:
            self.door.hooks.require_turned()
        digest = sha256_of_file(file)
        key = self._key(file, digest)
        kept = output / f".{name}.track"
        if done := _done(output, name, key):
            kept.unlink(missing_ok=True)
            return [(folder, DONE) for folder in done]
        door = replace(self.door, track=self.settings.track)
        track = self._track(file, door, kept, key)
        if not track.faces:
            kept.unlink(missing_ok=True)
            raise ValueError(
                f"no face found in {len(track)} frames: use portraits=centre or whole, or landmarks"
            )
        made = []
        for face in range(len(track.faces)):
            folder = _folder(output, name, face)
            job = FilmJob(
                source=file,
                track=track,
                face=face,
                portraits=partial(self._portraits, file, name, track, door, digest, face),
                lift=self.lift(),
                passport=self.passport,
                settings=self.settings,
                key=key,
                hooks=door.hooks,
                label=self.label,
            )
            if is_done(folder, key):
                made.append((folder, DONE))
                continue
            notes = lift_film(job, folder, partial(self._sign, digest))
            made.append((folder, "; ".join([*_lost(job), *notes])))
        kept.unlink(missing_ok=True)
        return made

    def _key(self, file: Path, digest: str) -> str:
        """Stands for everything that decides the result, the landmarks' file included."""
        reader = self.door.landmarks
        files = [] if reader is None else sidecars_of(file, reader.folder)
        landmarks = {"landmarks": sha256_of_file(files[0])} if files else {}
        return sha256_of_json({"source": digest, **landmarks, **self.decisive})

    def _portraits(  # type: ignore[no-untyped-def]
        self, file, name, track, door, digest, face, start
    ):
        return film_portraits(
            file,
            name,
            track,
            door,
            digest=digest,
            resolution=self.image_size,
            background=self.background,
            face=face,
            start=start,
        )

    def _sign(self, digest: str, folder: Path) -> None:
        if self.signed is not None:
            self.signed(folder, digest)

    def _track(self, file: Path, door: PortraitSettings, kept: Path, key: str) -> FilmTrack:
        """The first pass, which is kept until the second one is over."""
        if kept.is_file():
            with np.load(kept, allow_pickle=False) as arrays:
                if str(arrays["key"]) == key:
                    return FilmTrack.of(arrays)
        track = followed(file, door, background=self.background)
        content = io.BytesIO()
        np.savez(content, key=np.array(key), **track.arrays())  # type: ignore[arg-type]
        write_bytes(kept, content.getvalue())
        return track


def _folder(output: Path, name: str, face: int) -> Path:
    return output / (name if face == 0 else f"{name}+face{face + 1}")


def _done(output: Path, name: str, key: str) -> list[Path]:
    """The folders of all faces of a film that was lifted; empty if one isn't done, or if the film
    must be tracked to know how many they are.
    """
    first = _folder(output, name, 0)
    count: Any = read_json_file(first / FACTS).get("faces") if is_done(first, key) else None
    done: list[Path] = []
    for face in range(count if is_whole(count) else 0):
        if not is_done(folder := _folder(output, name, face), key):
            return []
        done.append(folder)
    return done


def _lost(job: FilmJob) -> list[str]:
    lost = int((~job.is_seen).sum())
    if not lost:
        return []
    return [f"no face in {lost} of {len(job.track)} frames: the head before them stays"]
