"""The protocol: lift the given picture of each person, look through the true cameras of the others, compare."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from .answers import Answer
from .metrics import Observation, PictureScores, picture_scores
from .seen_people import SeenPeople
from .teacher_suite import observed


@dataclass(frozen=True)
class Row:
    """One picture of one answer."""

    answer: str
    world: str
    person: int
    view: int
    given_yaw_deg: float
    yaw_deg: float
    pitch_deg: float
    gap_deg: float
    psnr: float
    psnr_person: float
    ssim: float
    depth: float
    depth_aligned: float
    mask_iou: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rounded to what means something."""
        return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass
class Result:
    """What an answer came to.

    Attributes:
        answer: whose it is.
        rows: one a picture.
        shown: the predicted views of the first people, person by person.
        lift_ms, render_ms: time of every lift, and of every picture's rendering.
    """

    answer: Answer
    rows: list[Row] = field(default_factory=list)
    shown: list[Observation] = field(default_factory=list)
    lift_ms: list[float] = field(default_factory=list)
    render_ms: list[float] = field(default_factory=list)

    def speed(self) -> dict[str, float]:
        """Medians in milliseconds of one lift and of one rendered picture; the first, which warms up, is left out."""
        return {name: statistics.median(times[1:] or times) for name, times in (("lift_ms", self.lift_ms), ("render_ms", self.render_ms))}


@torch.no_grad()
def ask(answers: Sequence[Answer], people: SeenPeople, *, image_size: int, device: torch.device, shown: int = 0) -> list[Result]:
    """Asks every answer about every person.

    Args:
        answers: who is asked.
        people: about whom.
        image_size: side of the pictures that are given.
        device: where the students are.
        shown: predictions of so many people are kept for pictures.
    """
    results = [Result(answer) for answer in answers]
    for row in tqdm(range(len(people.people)), desc=f"asking about {people.world}", unit="person", mininterval=1):
        views = people.of(row)
        given = resized(people.truth.image[views][:1].clamp(-1, 1), image_size).to(device)
        for result in results:
            prediction = _predict(result, given, people, views)
            result.rows += _rows(result.answer.name, people, row, picture_scores(prediction, people.truth[views]))
            if row < shown:
                result.shown.append(prediction)
    return results


def resized(image: Float[Tensor, "batch 3 height width"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Brought to another size, antialiased; as it is where it has that size."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(image, size=(size, size), mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)


def _predict(result: Result, given: Tensor, people: SeenPeople, views: slice) -> Observation:
    started = time.perf_counter()
    portrait = result.answer.lift(given)
    _wait(given.device)
    lifted = time.perf_counter()
    rendering = portrait.render(people.camera[views])
    _wait(given.device)
    result.lift_ms.append(1000 * (lifted - started))
    result.render_ms.append(1000 * (time.perf_counter() - lifted) / people.views)
    seen = observed(rendering)
    return Observation(seen.image.float().cpu(), seen.depth.float().cpu(), seen.opacity.float().cpu())


def _rows(name: str, people: SeenPeople, row: int, scores: PictureScores) -> list[Row]:
    views = people.of(row)
    yaws, pitches, gaps = (angles[views].tolist() for angles in (people.yaw_deg, people.pitch_deg, people.gap_deg))
    numbers = {metric: values.tolist() for metric, values in vars(scores).items()}
    return [
        Row(
            answer=name,
            world=people.world,
            person=people.people[row],
            view=view,
            given_yaw_deg=yaws[0],
            yaw_deg=yaws[view],
            pitch_deg=pitches[view],
            gap_deg=gaps[view],
            **{metric: values[view] for metric, values in numbers.items()},
        )
        for view in range(people.views)
    ]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
