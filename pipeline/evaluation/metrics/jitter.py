"""How restless a lifted film is: changes from frame to frame that the subject didn't make.

Two places where it can be seen, told apart: in camera space, at the film's own cameras, where the
change of the truth is taken off; and in canonical space, in the frontal picture, where nothing but
expression should move.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from pipeline.evaluation.picture_store import PictureStore
from pipeline.runs.json_lines import Line

from .metric import Metric

CAMERA_JITTER = Metric(
    "camera jitter",
    "",
    False,
    "mean absolute change from frame to frame of the error at the film's cameras, of colours in"
    " [-1, 1]",
    4,
)
CANONICAL_JITTER = Metric(
    "canonical jitter",
    "",
    False,
    "mean absolute change from frame to frame of the frontal picture",
    4,
)


def camera_jitter(lines: Sequence[Line], store: PictureStore) -> list[tuple[str, float]]:
    """(film, |eₜ₊₁ - eₜ|) for neighbouring frames of one method's first views, e = prediction -
    truth (the given picture without one).
    """
    found = []
    for sequence, frames in _films(lines).items():
        shown = [
            line
            for line in frames
            if line["files"]["prediction"] and (line["files"]["truth"] or line["files"]["input"])
        ]
        for one, other in pairwise(shown):
            before, after = (_error(line, store) for line in (one, other))
            found.append((sequence, (after - before).abs().mean().item()))
    return found


def canonical_jitter(lines: Sequence[Line], store: PictureStore) -> list[tuple[str, float]]:
    """(film, |cₜ₊₁ - cₜ|) for neighbouring frames of one method, c = the subject from the front."""
    found = []
    for sequence, frames in _films(lines).items():
        pictures = [line["files"]["frontal"] for line in frames if line["files"]["frontal"]]
        for one, other in pairwise(pictures):
            found.append(
                (sequence, (store.get_picture(other) - store.get_picture(one)).abs().mean().item())
            )
    return found


def _films(lines: Sequence[Line]) -> dict[str, list[Line]]:
    films: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line["sequence"] is not None and line["view"] == 0:
            films[line["sequence"]].append(line)
    return films


def _error(line: Line, store: PictureStore):  # type: ignore[no-untyped-def]
    prediction = store.get_picture(line["files"]["prediction"])
    truth = store.get_picture(line["files"]["truth"] or line["files"]["input"])
    return prediction - truth if truth.shape == prediction.shape else prediction
