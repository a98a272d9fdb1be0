"""Temporal jitter of a lifted video: changes from frame to frame that aren't the subject's.

It is measured twice: in camera space, at the video's own cameras, after subtracting the change of
the reference; and in canonical space, in the frontal view, where only the expression should change.
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
    "mean absolute change from frame to frame of the error at the video's cameras, of colours in"
    " [-1, 1]",
    4,
)
CANONICAL_JITTER = Metric(
    "canonical jitter",
    "",
    False,
    "mean absolute change from frame to frame of the frontal view",
    4,
)


def camera_jitter(lines: Sequence[Line], store: PictureStore) -> list[tuple[str, float]]:
    """(video, |eₜ₊₁ - eₜ|) for neighbouring frames of one method's first views, e = prediction -
    reference (the input image without one).
    """
    found = []
    for sequence, frames in _videos(lines).items():
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
    """(video, |cₜ₊₁ - cₜ|) for neighbouring frames of one method, c = the frontal view."""
    found = []
    for sequence, frames in _videos(lines).items():
        pictures = [line["files"]["frontal"] for line in frames if line["files"]["frontal"]]
        for one, other in pairwise(pictures):
            found.append(
                (sequence, (store.get_picture(other) - store.get_picture(one)).abs().mean().item())
            )
    return found


def _videos(lines: Sequence[Line]) -> dict[str, list[Line]]:
    videos: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line["sequence"] is not None and line["view"] == 0:
            videos[line["sequence"]].append(line)
    return videos


def _error(line: Line, store: PictureStore):  # type: ignore[no-untyped-def]
    prediction = store.get_picture(line["files"]["prediction"])
    reference = store.get_picture(line["files"]["truth"] or line["files"]["input"])
    return prediction - reference if reference.shape == prediction.shape else prediction
