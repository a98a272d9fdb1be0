"""Measures how much squares and cameras of a film jitter, and what of it a lifted film shows: the
table of docs/films.md.

Films are rendered from sequences of the world of heads before a camera whose picture also drifts,
with sensor noise, through H.264. The true square and camera of every frame are known.
`--split train --search` prints the errors for many constants of the filter (docs/films.md has some
of its rows);
without, the test split is measured, and what of the jitter the bundled student's views show.

Run from the repository's root, with the extras `heads` and `video`, no GPU. Renderings and tracks
are kept in `--cache`.
"""

import argparse
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.inference.film_container import write_piece
from pipeline.inference.reconstructor import Reconstructor
from pipeline.pictures import to_uint8
from pipeline.portraits import film_track
from pipeline.portraits.face import Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.film import TICKS, read_film
from pipeline.portraits.film_track import FaceTrack, track_film
from pipeline.portraits.framing import FaceCrops
from pipeline.portraits.one_euro import OneEuro
from pipeline.worlds.heads.background import draw_background
from pipeline.worlds.heads.curves import smooth_curve
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.factors import Person
from pipeline.worlds.heads.frame import PIVOT
from pipeline.worlds.heads.light import draw_light
from pipeline.worlds.heads.sequences import sequence
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

SIDE, SHARE, FPS = 160, 0.7, 25
"""Of the picture, pixels; of the square in it; of the film."""
DRIFT, DRIFT_SECONDS = 0.08, 1.2
NOISE = 2.0
"""Standard deviation of the sensor's noise, levels."""
LIFTED = 64


@dataclass(frozen=True)
class Shot:
    """A film and the truth about it.

    Attributes:
        pixels: frames as a player shows them, after H.264.
        track: the true squares and angles.
        frontal: what the world shows from the front, the camera moving with the head, [-1, 1].
    """

    pixels: np.ndarray
    track: FaceTrack
    frontal: np.ndarray


def shot(world: HeadWorld, split: Split, number: int, count: int) -> Shot:
    """The first `count` frames of one identity."""
    seed = WorldSeeds.of(split, [number]).identity[0]
    expressions, camera = sequence(seed, count, fps=float(FPS))
    drift = np.array(
        [
            [DRIFT * smooth_curve(seed, axis, row / FPS / DRIFT_SECONDS) for axis in "xy"]
            for row in range(count)
        ]
    )
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = camera.intrinsics[:, 0, 0] * SHARE
    intrinsics[:, :2, 2] = torch.from_numpy(0.5 + drift).float()
    people = [Person(draw_identity(seed), expression) for expression in expressions]
    factors = people, [draw_light(seed)] * count, [draw_background(seed)] * count
    still = Camera.orbit(torch.zeros(1), torch.zeros(1), pivot=PIVOT).expand(count)
    moved = Camera(camera.cam_to_world, intrinsics)
    seen = world.render_people(*factors, moved, SIDE, behind=Camera(still.cam_to_world, intrinsics))
    frontal = world.render_people(*factors, still, LIFTED)
    random = np.random.default_rng(seed)
    pixels = np.stack([to_uint8(image) for image in seen.image()]).astype(float)
    noisy = (pixels + random.normal(0, NOISE, pixels.shape)).clip(0, 255).round().astype(np.uint8)
    necks = np.array([expression.neck for expression in expressions])
    squares = np.concatenate(
        [(0.5 + drift) * SIDE, np.full((count, 1), SHARE * SIDE), necks[:, 2:]], 1
    )
    angles = np.stack([-necks[:, 0], -necks[:, 1], necks[:, 2]], 1)
    track = FaceTrack(squares, angles, np.ones(count, bool))
    return Shot(_coded(noisy), track, frontal.image(1.0).numpy())


def _coded(frames: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_piece(film, iter(frames), [row * TICKS // FPS for row in range(len(frames))])
        return np.stack([np.asarray(frame.image) for frame in read_film(film)])


def kept_shot(cache: Path, split: Split, number: int, count: int) -> Shot:
    """Rendered once."""
    path = cache / f"{split.name.lower()}_{number}_{count}.npz"
    if not path.is_file():
        found = shot(HeadWorld(), split, number, count)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            pixels=found.pixels,
            squares=found.track.squares,
            angles=found.track.angles,
            frontal=found.frontal,
        )
    with np.load(path) as stored:
        seen = np.ones(count, bool)
        return Shot(
            stored["pixels"],
            FaceTrack(stored["squares"], stored["angles"], seen),
            stored["frontal"],
        )


def measured(cache: Path, split: Split, number: int, found: Shot) -> dict[str, FaceTrack]:
    """Squares by the detector in each frame alone, and by following; neither smoothed."""
    path = cache / f"{split.name.lower()}_{number}_{len(found.pixels)}_tracks.npz"
    if not path.is_file():
        detector = FaceMeshDetector()
        with tempfile.TemporaryDirectory() as folder:
            film = Path(folder) / "film.mkv"
            write_lossless(film, found.pixels)
            alone = track_film(film, FaceCrops(_Alone(detector)), is_smooth=False).faces[0]
            followed = track_film(film, FaceCrops(detector), is_smooth=False).faces[0]
        np.savez(
            path,
            **{
                f"{name}_{part}": getattr(track, part)
                for name, track in (("alone", alone), ("followed", followed))
                for part in ("squares", "angles", "is_seen")
            },
        )
    with np.load(path) as stored:
        parts = ("squares", "angles", "is_seen")
        return {
            name: FaceTrack(*(stored[f"{name}_{part}"] for part in parts))
            for name in ("alone", "followed")
        }


class _Alone:
    """The detector without its memory."""

    def __init__(self, detector: FaceMeshDetector) -> None:
        self.detector, self.name = detector, detector.name

    def detect(self, picture: Picture):  # type: ignore[no-untyped-def]
        return self.detector.detect(picture)


def write_lossless(path: Path, frames: np.ndarray) -> None:
    """FFV1 in RGB."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def causal(track: FaceTrack) -> FaceTrack:
    """Filtered in one direction, as a stream does."""
    seconds = np.arange(len(track.squares)) / FPS
    square, angles = film_track.SQUARE.fresh(), film_track.ANGLES.fresh()
    unit = track.squares[0, 2]
    scaled = track.squares / [unit, unit, 1, 1]
    scaled[:, 2] = np.log(scaled[:, 2])
    rows = np.stack([square(row, time) for row, time in zip(scaled, seconds, strict=True)])
    rows[:, :2] *= unit
    rows[:, 2] = np.exp(rows[:, 2])
    turned = np.stack([angles(row, time) for row, time in zip(track.angles, seconds, strict=True)])
    return FaceTrack(rows, turned, track.is_seen)


def corners(track: FaceTrack) -> np.ndarray:
    """[frame 4 2], in sides of the true square."""
    each = [track.crop(row).corners() for row in range(len(track.squares))]
    return np.stack(each) / (SHARE * SIDE)


def errors(track: FaceTrack, truth: FaceTrack) -> dict[str, float]:
    """Jitter and error of squares (% of the side, mean over corners) and of angles (degrees).

    A constant offset of an identity isn't counted: it moves nothing.
    """
    off = corners(track) - corners(truth)
    off = 100 * (off - off.mean((0, 1)))
    turned = np.degrees(track.angles[:, :2] - truth.angles[:, :2])
    turned = turned - turned.mean(0)
    return {
        "square_jitter": float(np.linalg.norm(np.diff(off, axis=0), axis=-1).mean()),
        "square_error": float(np.linalg.norm(off - off.mean(0), axis=-1).mean()),
        "angle_jitter": float(np.abs(np.diff(turned, axis=0)).mean()),
        "angle_error": float(np.abs(turned).mean()),
    }


def flicker(reconstructor: Reconstructor, found: Shot, track: FaceTrack) -> dict[str, float]:
    """Mean absolute change from frame to frame, colours in [-1, 1]: of the lifted frontal view, and
    of the lifted view's error at the film's own cameras.
    """
    size = reconstructor.image_size
    images = torch.stack(
        [
            track.crop(row).cut(Image.fromarray(pixels), size, outside="mirror")
            for row, pixels in enumerate(found.pixels)
        ]
    )
    heads = [head for part in images.split(10) for head in reconstructor.lift_batch(part)]
    frontal = torch.stack([head.view().image[0] for head in heads])
    own = []
    for row, head in enumerate(heads):
        yaw, pitch, _ = np.degrees(found.track.angles[row]).tolist()
        view = head.render(head.orbit(yaw, pitch)).image[0]
        true = found.track.crop(row).cut(Image.fromarray(found.pixels[row]), size, outside="mirror")
        own.append(view - true)
    return {
        "canonical": float(frontal.diff(dim=0).abs().mean()),
        "camera": float(torch.stack(own).diff(dim=0).abs().mean()),
    }


def search(cache: Path, split: Split, identities: range, count: int) -> None:
    """The constants with the least jitter among those whose error is at most that of the raw."""
    pairs = []
    for number in identities:
        found = kept_shot(cache, split, number, count)
        pairs.append((found.track, measured(cache, split, number, found)["followed"]))
    seconds = np.arange(count) / FPS
    for cutoff, beta in itertools.product((0.5, 1.0, 2.0, 3.0), (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)):
        kind = OneEuro(cutoff_hz=cutoff, beta=beta)
        rows = {"causal": [], "both": []}  # type: ignore[var-annotated]
        for truth, raw in pairs:
            film_track.SQUARE, film_track.ANGLES = kind, kind
            rows["causal"].append(list(errors(causal(raw), truth).values()))
            smooth = film_track._smooth(raw, seconds)
            rows["both"].append(list(errors(smooth, truth).values()))
        for name, values in rows.items():
            print(f"{cutoff:4} Hz, beta {beta:4} {name:6}", np.mean(values, 0).round(3).tolist())
    raw_errors = [list(errors(raw, truth).values()) for truth, raw in pairs]
    print("not smoothed", np.mean(raw_errors, 0).round(3).tolist())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=("train", "test"), default="test")
    parser.add_argument("--identities", type=int, default=4)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--search", action="store_true", help="print errors of many constants")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache/film_jitter"))
    given = parser.parse_args()
    split = Split[given.split.upper()]
    if given.search:
        search(given.cache, split, range(given.identities), given.frames)
        return
    reconstructor = Reconstructor.from_pretrained("bundled/puppets_tiny", kernels="fast")
    rows: dict[str, list[dict[str, float]]] = {}
    moves = []
    for number in range(given.identities):
        found = kept_shot(given.cache, split, number, given.frames)
        raw = measured(given.cache, split, number, found)
        seconds = np.arange(given.frames) / FPS
        tracks = {
            "each frame alone": raw["alone"],
            "followed": raw["followed"],
            "followed, one-euro, causal": causal(raw["followed"]),
            "followed, one-euro, both directions": film_track._smooth(raw["followed"], seconds),
            "true square": found.track,
        }
        for name, track in tracks.items():
            facts = errors(track, found.track) | flicker(reconstructor, found, track)
            rows.setdefault(name, []).append(facts)
        moves.append(float(np.abs(np.diff(found.frontal, axis=0)).mean()))
    names = list(rows["true square"][0])
    print(" | ".join(["squares", *names]))
    for name, values in rows.items():
        print(" | ".join([name, *(f"{np.mean([v[key] for v in values]):.4f}" for key in names)]))
    print(f"the world's own frontal view changes by {np.mean(moves):.4f}")


if __name__ == "__main__":
    main()
