"""One method asked about one item: lifted, looked at, timed."""

import time
import zlib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.metrics.picture_scores import Observation
from pipeline.evaluation.suites.suite import Item, Suite
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.runs.peak_memory import PeakMemory
from teachers.rendering.camera import Camera

from .answers import Answer
from .mean_planes import observed
from .picture_store import Prediction
from .resizing import resized


@dataclass(frozen=True)
class Asked:
    """What came of it.

    Attributes:
        views: as they are stored: pictures at the truth's size; depth and opacity as they were
            rendered, if nothing moved them.
        frontal: the subject from the front; None unless asked for.
        own_scores: what the suite alone measures, by metric one number a view.
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


def ask(
    answer: Answer,
    item: Item,
    given: Float[Tensor, "1 3 height width"],
    suite: Suite,
    *,
    device: torch.device,
    seed: int,
    warm_up: bool,
) -> Asked:
    """Lifts the given picture and looks at the subject through the item's cameras.

    What is random in it depends on the seed, the method and the item alone: not on who was asked
        before.

    Args:
        answer: who is asked.
        item: about what.
        given: its picture as it is stored.
        suite: whose hooks are called.
        device: where the method works: both ends of what is timed wait for it.
        seed: of torch's generators.
        warm_up: lift and look once before the clock runs.
    """
    picture = given if answer.image_size is None else resized(given, answer.image_size)
    picture = picture.to(device)
    with torch.random.fork_rng():
        torch.manual_seed(zlib.crc32(f"{seed}/{answer.name}/{item.name}".encode()))
        if warm_up:
            answer.answer(picture, item.camera).render(item.targets[:1])
        _wait(device)
        memory, started = PeakMemory(device), time.perf_counter()
        portrait = answer.answer(picture, item.camera)
        _wait(device)
        seconds, peak = time.perf_counter() - started, memory.mib()
        cameras = suite.targets(item, portrait)
        started = time.perf_counter()
        views, prediction = _look(portrait, cameras, item, suite, device)
        render_seconds = (time.perf_counter() - started) / len(cameras)
        own = {
            name: [float(value) for value in values]
            for name, values in suite.own_scores(item, answer, portrait, prediction).items()
        }
    frontal = None if item.sequence is None else portrait.view().image[0].float().cpu()
    return Asked(
        views, frontal, own, tuple(getattr(portrait, "notes", ())), seconds, render_seconds, peak
    )


def _look(
    portrait: LiftedPortrait, cameras: Camera, item: Item, suite: Suite, device: torch.device
) -> tuple[Prediction, Observation]:
    rendering = portrait.render(cameras)
    _wait(device)
    seen = observed(rendering)
    seen = Observation(
        seen.image.float().cpu().clamp(-1, 1), seen.depth.float().cpu(), seen.opacity.float().cpu()
    )
    adjusted = suite.adjusted(item, seen)
    depth, opacity = (
        (adjusted.depth, adjusted.opacity)
        if adjusted is not seen
        else (rendering.depth, rendering.opacity)
    )
    side = adjusted.image.shape[-1] if item.truth is None else item.truth.image.shape[-1]
    image = resized(adjusted.image, side)
    return Prediction(image, depth.float().cpu(), opacity.float().cpu()), adjusted


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
