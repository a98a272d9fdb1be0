"""How time and memory grow with the sizes of the work: exponents of a power law, fitted by least
squares in log-log.
"""

import ctypes
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.sampler import build_sampler
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from tests.benchmarks.machine import peak_bytes
from tests.benchmarks.measuring import Unavailable
from tests.benchmarks.works_teacher import chosen

REPEATS = 3

TEACHER = {
    "plane_resolution": 128,
    "channel_base": 4096,
    "channel_max": 64,
    "depth_samples": 24,
    "importance_samples": 24,
    "render_resolution": 64,
    "image_resolution": 64,
    "super_resolution": "none",
    "sr_latent": "none",
}
"""Its sizes but for the one that grows: large enough that fixed costs hardly count."""

SIZES: Mapping[str, Sequence[int]] = {
    "rays": (64, 90, 128, 180),
    "samples": (12, 24, 48, 96),
    "plane size": (64, 128, 256),
    "batch": (1, 2, 4, 8),
    "identities": (8, 16, 32, 64),
}
"""Rays and plane size are given as sides; they count as squares."""

TINY_SIZES: Mapping[str, Sequence[int]] = {
    "rays": (16, 24),
    "samples": (4, 6),
    "plane size": (8, 16),
    "batch": (1, 2),
    "identities": (1, 2),
}


def curves(scale: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each curve as it is measured: amounts, seconds, bytes above the resting memory, exponents."""
    for name, sizes in SIZES.items():
        if scale == "tiny":
            sizes = TINY_SIZES[name]
        amounts, seconds, memory = [], [], []
        for size in sizes:
            work = WORKS[name](size)
            with fast_or_readable():
                work()
                memory.append(bytes_above_rest(work))
                seconds.append(statistics.median(seconds_of(work) for _ in range(REPEATS)))
            amounts.append(size**2 if name in ("rays", "plane size") else size)
        yield name, curve(amounts, seconds, memory)


def curve(
    amounts: Sequence[float], seconds: Sequence[float], memory: Sequence[float | None]
) -> dict[str, Any]:
    """The points and the exponents; memory below a megabyte isn't fitted."""
    sound = [
        (amount, used)
        for amount, used in zip(amounts, memory, strict=True)
        if used is not None and used > 1e6
    ]
    return {
        "amounts": list(amounts),
        "seconds": list(seconds),
        "bytes": list(memory),
        "exponent": exponent(amounts, seconds),
        "memory_exponent": exponent(*zip(*sound, strict=True)) if len(sound) > 1 else None,
    }


def exponent(amounts: Sequence[float], values: Sequence[float]) -> float:
    """The slope of log value over log amount."""
    x, y = ([math.log(number) for number in numbers] for numbers in (amounts, values))
    return statistics.linear_regression(x, y).slope


def fast_or_readable() -> Any:
    """What `kernels=auto` chooses where numba is installed."""
    try:
        with chosen("fast"):
            return chosen("fast")
    except Unavailable:
        return chosen("readable")


def seconds_of(work: Callable[[], object]) -> float:
    """By the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bytes_above_rest(work: Callable[[], object]) -> float | None:
    """Peak memory of a call above what was held before; None where the peak can't be reset."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return None
    before = peak_bytes()
    work()
    return float(peak_bytes() - before)


def image_work(batch: int = 1, **changes: Any) -> Callable[[], object]:
    """Images of a teacher whose sizes are `TEACHER` but for `changes`."""
    teacher = untrained_teacher(TEACHER | changes)
    with torch.no_grad():
        ws = teacher.map_latents(torch.randn(batch, teacher.z_dim))
    camera = Camera.orbit(torch.linspace(-0.3, 0.3, batch), torch.zeros(batch))

    @torch.no_grad()
    def work() -> None:
        teacher.render(teacher.synthesize(ws), camera, ws=ws)

    return work


def render_work(**changes: Any) -> Callable[[], object]:
    """Views of planes that are there."""
    teacher = untrained_teacher(TEACHER | changes)
    with torch.no_grad():
        ws = teacher.map_latents(torch.randn(1, teacher.z_dim))
        triplane = teacher.synthesize(ws)
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1))

    @torch.no_grad()
    def work() -> None:
        teacher.render(triplane, camera, ws=ws)

    return work


def planes_work(side: int) -> Callable[[], object]:
    """Planes of a side."""
    teacher = untrained_teacher(TEACHER | {"plane_resolution": side})
    with torch.no_grad():
        ws = teacher.map_latents(torch.randn(1, teacher.z_dim))

    @torch.no_grad()
    def work() -> None:
        teacher.synthesize(ws)

    return work


def identities_work(count: int) -> Callable[[], object]:
    """Samples of the bundled teacher, four identities at once: memory should not grow."""
    config = compose("distill", "experiment=laptop")
    sampler = build_sampler(to_plain(config), instantiate(config.teacher))

    def work() -> None:
        for start in range(0, count, 4):
            sampler(range(start, min(count, start + 4)))

    return work


WORKS: Mapping[str, Callable[[int], Callable[[], object]]] = {
    "rays": lambda side: render_work(render_resolution=side, image_resolution=side),
    "samples": lambda count: render_work(depth_samples=count, importance_samples=count),
    "plane size": planes_work,
    "batch": lambda batch: image_work(batch),
    "identities": identities_work,
}
