"""One method on one item: lifted, rendered, timed."""

import time
import zlib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.suites.suite import Suite
from pipeline.runs.peak_memory import PeakMemory
from teachers.rendering.rendering import Rendering

from .items import Item, Observation
from .methods import MethodEntry
from .picture_store import Prediction
from .resizing import resized


@dataclass(frozen=True)
class LiftedItem:
    """What a method predicts for an item, and what it costs.

    Attributes:
        views: as they are stored: images at the reference's size; depth and opacity at the size of
            the volume rendering, unless the suite adjusted them.
        frontal: the subject from the front; None if the item is no frame of a video.
        own_scores: those of the suite, by metric one number for each view.
        notes: of the method about this subject.
        seconds: of the lift.
        render_seconds: of one view, on average.
        peak_memory_mib: during the lift.
    """

    views: Prediction
    frontal: Float[Tensor, "3 height width"] | None
    own_scores: dict[str, list[float]]
    notes: tuple[str, ...]
    seconds: float
    render_seconds: float
    peak_memory_mib: float | None


def lift_item(
    method: MethodEntry,
    item: Item,
    given: Float[Tensor, "1 3 height width"],
    suite: Suite,
    *,
    device: torch.device,
    seed: int,
    warm_up: bool,
) -> LiftedItem:
    """Lifts the input image and renders the item's target views.

    Random numbers depend on the seed, the method and the item alone, not on what was evaluated
    before.

    Args:
        method: what lifts.
        item: what is lifted.
        given: its input image as it is stored.
        suite: its hooks are called.
        device: of the method; synchronised before and after what is timed.
        seed: of torch's generators.
        warm_up: lift and render once before timing.
    """
    image = given if method.image_size is None else resized(given, method.image_size)
    image = image.to(device)
    own_seed = zlib.crc32(f"{seed}/{method.name}/{item.name}".encode())
    with torch.random.fork_rng():
        torch.manual_seed(own_seed)
        if warm_up:
            method.lift(image, item.camera).render(item.targets[:1])
            torch.manual_seed(own_seed)  # whether it is warmed up depends on what ran before
        _synchronize(device)
        memory, started = PeakMemory(device), time.perf_counter()
        portrait = method.lift(image, item.camera)
        _synchronize(device)
        seconds, peak = time.perf_counter() - started, memory.mib()
        cameras = suite.targets(item, portrait)
        _synchronize(device)
        started = time.perf_counter()
        rendering = portrait.render(cameras)
        _synchronize(device)
        render_seconds = (time.perf_counter() - started) / len(cameras)
        views, prediction = _views_of(rendering, item, suite)
        own = {
            name: [float(value) for value in values]
            for name, values in suite.own_scores(item, method, portrait, prediction).items()
        }
    frontal = None if item.sequence is None else portrait.view().image[0].float().cpu()
    return LiftedItem(
        views, frontal, own, tuple(getattr(portrait, "notes", ())), seconds, render_seconds, peak
    )


def _views_of(rendering: Rendering, item: Item, suite: Suite) -> tuple[Prediction, Observation]:
    seen = Observation.of(rendering)
    seen = Observation(
        seen.image.float().cpu().clamp(-1, 1), seen.depth.float().cpu(), seen.opacity.float().cpu()
    )
    adjusted = suite.adjusted(item, seen)
    maps = rendering if adjusted is seen else adjusted
    side = adjusted.image.shape[-1] if item.reference is None else item.reference.image.shape[-1]
    image = resized(adjusted.image, side)
    return Prediction(image, maps.depth.float().cpu(), maps.opacity.float().cpu()), adjusted


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
