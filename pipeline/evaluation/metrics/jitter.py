"""Temporal jitter of a lifted video: changes from frame to frame that aren't the subject's.

It is measured twice: in camera space, at the video's own cameras, after subtracting the change of
the reference; and in canonical space, in the frontal view, where only the expression should change.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
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
    reference (the input image without one); pairs of which an image is missing are left out.
    """
    found = []
    for sequence, one, other in _neighbours(lines, _has_error):
        before, after = (_error(line, store) for line in (one, other))
        found.append((sequence, (after - before).abs().mean().item()))
    return found


def canonical_jitter(lines: Sequence[Line], store: PictureStore) -> list[tuple[str, float]]:
    """(video, |cₜ₊₁ - cₜ|) for neighbouring frames of one method, c = the frontal view; pairs of
    which one is missing are left out.
    """
    found = []
    for sequence, one, other in _neighbours(lines, lambda line: line["files"]["frontal"]):
        before, after = (store.get_picture(line["files"]["frontal"]) for line in (one, other))
        found.append((sequence, (after - before).abs().mean().item()))
    return found


def _neighbours(
    lines: Sequence[Line], has_pictures: Callable[[Line], object]
) -> Iterator[tuple[str, Line, Line]]:
    """Video and both lines of each pair of neighbouring frames that have their pictures. Frames on
    either side of one without aren't neighbours: their change would be that of a longer time.
    """
    videos: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line["sequence"] is not None and line["view"] == 0:
            videos[line["sequence"]].append(line)
    for sequence, frames in videos.items():
        for one, other in pairwise(frames):
            if has_pictures(one) and has_pictures(other):
                yield sequence, one, other


def _has_error(line: Line) -> bool:
    files = line["files"]
    return bool(files["prediction"] and (files["truth"] or files["input"]))


def _error(line: Line, store: PictureStore):  # type: ignore[no-untyped-def]
    prediction = store.get_picture(line["files"]["prediction"])
    reference = store.get_picture(line["files"]["truth"] or line["files"]["input"])
    return prediction - reference if reference.shape == prediction.shape else prediction
