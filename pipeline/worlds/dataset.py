"""Training images of a world: one random view per identity, RGBA, in an EG3D-style zip.

`dataset.json` has, beside EG3D's "labels", the keys "alpha": "premultiplied" (colour is already
multiplied by opacity, black where nothing is: composite as colour + (1 - alpha) * background),
"world", "world_version", "split", "first", "resolution", "supersampling" and the pose
distribution's numbers.
"""

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

import torch
from tqdm import tqdm

from teachers.kernels import choose_kernels, kernels
from teachers.rendering.camera import Camera

from .dataset_zip import png_bytes, write_dataset
from .draws import FactorDraws
from .opening import open_world
from .splits import Split, WorldSeeds

logger = logging.getLogger(__name__)

AHEAD = 2
"""Chunks for each process that are rendered before they are written."""

CHUNK = 8
"""Identities rendered together."""

Picture = tuple[bytes, list[float]]


@dataclass(frozen=True)
class PoseDistribution:
    """Gaussian yaw and pitch about the frontal view, radians, clamped to the limits."""

    yaw_deviation: float = 0.5
    yaw_limit: float = 1.0
    pitch_deviation: float = 0.18
    pitch_limit: float = 0.5

    def cameras(self, seeds: WorldSeeds, pivot: tuple[float, float, float]) -> Camera:
        """One camera per identity, a function of the identity seed alone, that looks at `pivot`."""
        draws = FactorDraws(seeds.identity, "pose")
        yaw = draws.normal("yaw", 0.0, self.yaw_deviation, limit=8.0).clamp(
            -self.yaw_limit, self.yaw_limit
        )
        pitch = draws.normal("pitch", 0.0, self.pitch_deviation, limit=8.0).clamp(
            -self.pitch_limit, self.pitch_limit
        )
        return Camera.orbit(yaw[:, 0], pitch[:, 0], pivot=pivot)


@dataclass(frozen=True)
class Photographer:
    """Renders pictures of consecutive identities; can be pickled for worker processes."""

    world: str
    split: Split
    resolution: int
    supersampling: int
    pose_distribution: PoseDistribution = field(default_factory=PoseDistribution)

    def take(self, first: int, count: int) -> list[Picture]:
        """PNG files and labels of identities `first` to `first + count - 1`."""
        seeds = WorldSeeds.of(self.split, range(first, first + count))
        world = open_world(self.world, supersampling=self.supersampling)
        camera = self.pose_distribution.cameras(seeds, world.pivot)
        views = world.render(seeds, camera, self.resolution)
        pixels = (views.rgba() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return [
            (png_bytes(picture), label)
            for picture, label in zip(pixels, views.camera.label().tolist(), strict=True)
        ]


def export_identities(
    path: Path | str,
    *,
    world: str = "puppets",
    split: Split,
    count: int,
    first: int = 0,
    resolution: int = 64,
    supersampling: int = 2,
    pose_distribution: PoseDistribution | None = None,
    workers: int = 2,
) -> Path:
    """Renders one view each of `count` identities into an uncompressed zip.

    Args:
        path: the zip; it appears when it is complete.
        world: its name (`opening.WORLDS`).
        split: whose identities; they are numbered from 0 in each split.
        count: how many identities, from number `first` on.
        resolution: side of the square pictures in pixels.
        supersampling: each pixel is the mean of this many squared samples.
        pose_distribution: how yaw and pitch are distributed.
        workers: processes of one thread each; 0 renders in this process.

    Returns:
        The path.

    Raises:
        ValueError: `count` isn't positive, the split has no such identities, or there is no such
            world.
        ModuleNotFoundError: the world needs a package that isn't installed.
    """
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least one identity.")
    WorldSeeds.of(split, [first, first + count - 1])
    pose_distribution = pose_distribution or PoseDistribution()
    photographer = Photographer(world, split, resolution, supersampling, pose_distribution)
    chunks = [
        (start, min(CHUNK, first + count - start)) for start in range(first, first + count, CHUNK)
    ]
    pictures = (
        _in_processes(photographer, chunks, workers)
        if workers
        else _in_this_process(photographer, chunks)
    )
    about: dict[str, str | int | float] = {
        "world": world,
        "world_version": open_world(world).version,
        "split": split.name.lower(),
        "first": first,
        "resolution": resolution,
        "supersampling": supersampling,
        **asdict(pose_distribution),
    }
    bar = tqdm(pictures, total=count, desc=world, unit="img", mininterval=2)
    return write_dataset(Path(path), iter(bar), {"alpha": "premultiplied", **about})


def _in_this_process(
    photographer: Photographer, chunks: list[tuple[int, int]]
) -> Iterator[Picture]:
    for start, count in chunks:
        yield from photographer.take(start, count)


def _in_processes(
    photographer: Photographer, chunks: list[tuple[int, int]], workers: int
) -> Iterator[Picture]:
    photographer.take(chunks[0][0], 1)  # compiles the kernels: the workers then only read them
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), _start_worker, (photographer, kernels())
    )
    waiting: deque[Future[list[Picture]]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_work, chunk))
            if len(waiting) > AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ValueError(
            f"one of {workers} processes that render identities was ended from outside, perhaps for"
            " lack of memory: nothing was written; give fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_WORKER: dict[str, Photographer] = {}


def _start_worker(photographer: Photographer, choice: str) -> None:
    torch.set_num_threads(1)
    choose_kernels(choice)
    _WORKER["self"] = photographer


def _work(chunk: tuple[int, int]) -> list[Picture]:
    return _WORKER["self"].take(*chunk)
