"""The entrance for photographs and films: a file or a folder → square images for a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from pipeline.runs.files import sha256_of_file
from teachers.rendering.camera import Camera

from .cached_landmarks import CachedLandmarks
from .colour import NOTE
from .crop import Crop
from .exif import focal_length_px
from .face import Landmarks, Picture
from .files import find_photographs, folder_names
from .film import is_film, read_pictures
from .film_track import FilmTrack, frames_of, track_film
from .framing import FaceCrops, Framed, Framing
from .hooks.chain import Hooks
from .pose import Pose

OVERVIEW_SIDE = 384


@dataclass(frozen=True, kw_only=True)
class PortraitSettings:
    """How pictures are read and framed.

    Attributes:
        framing: chooses the squares of a picture.
        every: stride of the frames of a film or an animation.
        most: maximum number of frames; None: all.
        hooks: edit each square after it was cut.
        matte: whether what is no person becomes the background's grey level, too, after the hooks.
        track: whether the faces of a film are followed and their squares smoothed over time
            (`film_track`); otherwise each frame is framed as if it were a photograph.

    Raises:
        ValueError: `every` or `most` below 1.
    """

    framing: Framing
    every: int = 1
    most: int | None = None
    hooks: Hooks = field(default_factory=Hooks)
    matte: bool = False
    track: bool = False

    def __post_init__(self) -> None:
        if self.every < 1 or (self.most is not None and self.most < 1):
            raise ValueError(
                f"every {self.every}, most {self.most} leave no frames of a film: give at least 1"
            )

    @property
    def landmarks(self) -> CachedLandmarks | None:
        """What reads landmarks from files; None: another detector finds them, or none does."""
        detector = getattr(self.framing, "detector", None)
        return detector if isinstance(detector, CachedLandmarks) else None


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """One square of one picture, or the reason why a file gave none.

    Attributes:
        name: unique among those that were read; valid as the name of a file or folder.
        source: the file.
        source_sha256: of its content; None if it can't be read.
        frame: number in a film, from 0; None for a photograph.
        image: in [-1, 1], after the hooks; None if the file can't be used, with the reason in
            `note`.
        crop: of the upright picture.
        camera: that took it, in EG3D's world (a batch of one), or that a hook declared; None:
            unknown.
        pose: how the camera was fitted to a face, before a hook changed it; None: it wasn't.
        face_found: false if a detector found no face; true without a detector.
        note: a remark for the user, or "".
        landmarks: of the face, pixels of the upright picture; None: none.
        overview: the picture, reduced, with the square drawn into it.
        hooks: name and settings of the hooks that ran.
    """

    name: str
    source: Path
    source_sha256: str | None
    frame: int | None = None
    image: Float[Tensor, "3 resolution resolution"] | None = None
    crop: Crop | None = None
    camera: Camera | None = None
    pose: Pose | None = None
    face_found: bool = False
    note: str = ""
    landmarks: Landmarks | None = None
    overview: UInt8[np.ndarray, "height width 3"] | None = None
    hooks: Sequence[dict[str, Any]] = ()

    def record(self) -> dict[str, Any]:
        """Everything but the pixels, for JSON."""
        crop = self.crop
        return {
            "name": self.name,
            "source": self.source.name,
            "source_sha256": self.source_sha256,
            "frame": self.frame,
            "crop": None
            if crop is None
            else {"left": crop.left, "top": crop.top, "size": crop.size, "roll_deg": crop.roll_deg},
            "camera": None if self.camera is None else self.camera.label()[0].tolist(),
            "pose": None if self.pose is None else self.pose.record(),
            "face_found": self.face_found,
            "note": self.note,
            "landmarks": None if self.landmarks is None else np.round(self.landmarks, 2).tolist(),
            **({"hooks": list(self.hooks)} if self.hooks else {}),
        }


def read_portraits(
    path: Path, settings: PortraitSettings, *, resolution: int, background: float = 1.0
) -> Iterator[Portrait]:
    """Reads a picture, a film, or everything in a folder, one after another.

    A file that can't be used and a picture without a face give a portrait as well: nothing is
    dropped silently.

    Args:
        path: file or folder.
        settings: `conf/portraits/*.yaml`.
        resolution: side of the squares.
        background: grey level in [0, 1] behind transparent pixels and, if the settings ask for a
            matte, behind people.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: a folder without files.
    """
    files = find_photographs(Path(path))
    for file, name in zip(files, folder_names(files), strict=True):
        yield from portraits_of(file, name, settings, resolution=resolution, background=background)


def portraits_of(
    file: Path, name: str, settings: PortraitSettings, *, resolution: int, background: float = 1.0
) -> Iterator[Portrait]:
    """The portraits of one file: `name`, or `name+frame00012` for a frame; a second face of a
    picture adds `+face2`.
    """
    digest = None
    try:
        if file.is_file():
            digest = sha256_of_file(file)
        if settings.track and is_film(file):
            yield from _tracked(file, name, settings, digest, resolution, background)
            return
        for number, image in read_pictures(
            file, background=background, every=settings.every, most=settings.most
        ):
            focal_px = focal_length_px(file) if number is None else None
            picture = Picture(image, file, number, focal_px)
            of_frame = name if number is None else f"{name}+frame{number:05d}"
            for face, framed in enumerate(settings.framing.frame(picture), 1):
                named = of_frame if face == 1 else f"{of_frame}+face{face}"
                yield _portrait(picture, framed, named, digest, settings, resolution, background)
    except (ValueError, OSError) as error:
        yield Portrait(
            name=name, source=file, source_sha256=digest, note=" ".join(str(error).split())
        )


def followed(file: Path, settings: PortraitSettings, *, background: float = 1.0) -> FilmTrack:
    """The first pass over a film: where its faces are (`track_film`)."""
    return track_film(
        file,
        settings.framing,
        background=background,
        every=settings.every,
        most=settings.most,
        is_smooth=settings.track,
    )


def film_portraits(
    file: Path,
    name: str,
    track: FilmTrack,
    settings: PortraitSettings,
    *,
    digest: str | None,
    resolution: int,
    background: float = 1.0,
    face: int = 0,
    start: int = 0,
) -> Iterator[Portrait]:
    """The second pass: one portrait for each frame of one face, without overviews.

    Args:
        file: the film.
        name: of the first frame's portrait before `+frame00012`.
        track: of the first pass, with the same settings.
        settings: as there.
        digest: sha256 of the film.
        resolution: side of the squares.
        background: grey level in [0, 1], as `read_portraits`.
        face: number in the track.
        start: row of the track with which it begins.

    Raises:
        ValueError: the film can't be read, or isn't the one that was tracked.
    """
    rest = len(track) - start
    frames = frames_of(
        file,
        background=background,
        every=settings.every,
        most=rest,
        start=int(track.ticks[start]) if start else None,
    )
    count = 0
    for row, (_, frame) in enumerate(frames, start):
        if frame.ticks != track.ticks[row]:
            raise ValueError(f"frame {row} is another than in the first pass: did the film change?")
        picture = Picture(frame.image, file, int(track.numbers[row]))
        framed = (
            track.faces[face].framed(row)
            if isinstance(settings.framing, FaceCrops)
            else settings.framing.frame(picture)[0]
        )
        of_frame = f"{name}+frame{picture.frame:05d}"
        yield _portrait(
            picture, framed, of_frame, digest, settings, resolution, background, overview=False
        )
        count += 1
    if count < rest:
        raise ValueError(f"{rest - count} frames are gone since the first pass: did it change?")


def _tracked(
    file: Path,
    name: str,
    settings: PortraitSettings,
    digest: str | None,
    resolution: int,
    background: float,
) -> Iterator[Portrait]:
    """Frame by frame, the faces of a frame one after another; a film without a face frame by frame
    as pictures.
    """
    track = followed(file, settings, background=background)
    if not track.faces:
        settings = replace(settings, track=False)
        yield from portraits_of(file, name, settings, resolution=resolution, background=background)
        return
    each = [
        film_portraits(
            file,
            name,
            track,
            settings,
            digest=digest,
            resolution=resolution,
            background=background,
            face=number,
        )
        for number in range(len(track.faces))
    ]
    for portraits in zip(*each, strict=True):
        for number, portrait in enumerate(portraits, 1):
            yield (
                portrait if number == 1 else replace(portrait, name=f"{portrait.name}+face{number}")
            )


def _portrait(
    picture: Picture,
    framed: Framed,
    name: str,
    digest: str | None,
    settings: PortraitSettings,
    resolution: int,
    background: float,
    *,
    overview: bool = True,
) -> Portrait:
    """The one place where squares are cut and edited: hooks, then the matte."""
    cut = settings.hooks.cut(framed, picture.image, resolution)
    image, pose = cut.image, framed.pose
    if pose is not None and cut.camera is not framed.camera:  # a hook moved the head
        pose = None if cut.camera is None else replace(pose, camera=cut.camera)
    if settings.matte:
        matte = cut.person()
        image = matte * image + (1 - matte) * (2 * background - 1)
    return Portrait(
        name=name,
        source=picture.source,
        source_sha256=digest,
        frame=picture.frame,
        image=image,
        crop=framed.crop,
        camera=cut.camera,
        pose=pose,
        face_found=framed.face_found,
        note="; ".join(filter(None, (framed.note, picture.image.info.get(NOTE, "")))),
        landmarks=framed.landmarks,
        overview=_overview(picture.image, framed.crop) if overview else None,
        hooks=settings.hooks.record(),
    )


def _overview(image: Image.Image, crop: Crop) -> UInt8[np.ndarray, "height width 3"]:
    small = image.copy()
    small.thumbnail((OVERVIEW_SIDE, OVERVIEW_SIDE))
    scale = np.array([small.width / image.width, small.height / image.height])
    outline = [tuple(corner) for corner in (crop.corners() * scale).tolist()]
    draw = ImageDraw.Draw(small)
    draw.line([*outline, outline[0]], fill="black", width=4)
    draw.line([*outline, outline[0]], fill="yellow", width=2)
    return np.array(small)
