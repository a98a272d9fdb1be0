"""The picture of an evaluation: what was given, the truth, every answer, the student's error and depth."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import depth_picture, tile

from .metrics import SOLID, Observation
from .protocol import Result
from .seen_people import SeenPeople

CELL = 128
"""Smallest side of a picture on the sheet."""
ERROR_GAIN = 2.0


def suite_sheet(people: SeenPeople, results: list[Result]) -> Float[Tensor, "3 height width"]:
    """Two rows a person, a near and a far view: given · truth · answers · error, true depth and depth of the first answer."""
    student, rows, labels = results[0], [], []
    for person in range(len(student.shown)):
        truth = people.truth[people.of(person)]
        gaps, yaws = people.gap_deg[people.of(person)], people.yaw_deg[people.of(person)]
        order = gaps[1:].argsort() + 1
        for view in dict.fromkeys((int(order[0]), int(order[-1]))):
            predictions = [result.shown[person] for result in results]
            rows.append(_row(truth, [prediction[view : view + 1] for prediction in predictions], view))
            moved = f"given {yaws[0]:+.0f}°\nseen {yaws[view]:+.0f}°"
            labels.append(f"person {people.people[person]}\n{moved}\n{student_score(student, person, view, people)}")
    columns = ["given", "truth", *(result.answer.title for result in results), f"error x {ERROR_GAIN:g}", "true depth", "its depth"]
    return tile([[_enlarged(picture) for picture in row] for row in rows], 4, row_labels=labels, column_labels=columns)


def student_score(student: Result, person: int, view: int, people: SeenPeople) -> str:
    """The caption of one picture."""
    return f"{student.rows[person * people.views + view].psnr_person:.1f} dB"


def _row(truth: Observation, predictions: list[Observation], view: int) -> list[Tensor]:
    target, first = truth[view : view + 1], predictions[0]
    difference = (first.image.clamp(-1, 1) - target.image).abs().mean(1, keepdim=True)
    error = (difference * ERROR_GAIN - 1).clamp(-1, 1)
    near, far = _depth_range(target)
    pictures = [truth.image[0], target.image[0], *(prediction.image[0] for prediction in predictions), error[0]]
    return [*pictures, *(_depth_colours(seen, near, far)[0] for seen in (target, first))]


def _depth_range(truth: Observation) -> tuple[float, float]:
    inside = truth.depth[truth.solid]
    near, far = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 1.0)
    return near, max(far, near + 1e-3)


def _depth_colours(seen: Observation, near: float, far: float) -> Tensor:
    return torch.where(seen.opacity > SOLID, depth_picture(seen.depth, near, far), torch.ones(1))


def _enlarged(picture: Float[Tensor, "channel height width"]) -> Float[Tensor, "channel side side"]:
    side = max(CELL, picture.shape[-1])
    if picture.shape[-1] == side:
        return picture
    return F.interpolate(picture[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True)[0].clamp(-1, 1)
