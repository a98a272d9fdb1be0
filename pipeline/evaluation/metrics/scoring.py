"""Scores from files alone: the same when they are first measured and when they are checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.evaluation.picture_store import PictureStore
from pipeline.evaluation.suites.suite import Truth
from teachers.rendering.camera import Camera

from .comparison import Comparison
from .measures import Measure, scores_of
from .part_scores import part_scores


def scores_of_stored(
    store: PictureStore,
    method: str,
    item: str,
    cameras: Camera,
    measures: Sequence[Measure],
    parts: Mapping[str, Sequence[int]],
) -> list[dict[str, Any]]:
    """For each view the scores of a stored prediction by metric, and `parts`: the same by part.

    Args:
        store: where the pictures are.
        method, item: whose prediction of what.
        cameras: that it was looked at through.
        measures: what is measured.
        parts: which numbers of the truth's map make which part.

    Raises:
        ValueError: a file is damaged, or prediction and truth have different sizes.
    """
    prediction = store.get_views(method, item, len(cameras))
    truth = _truth(store, item, len(cameras))
    if truth is not None and truth.image.shape != prediction.image.shape:
        sizes = " and ".join(
            "x".join(map(str, views.image.shape[-2:])) for views in (prediction, truth)
        )
        raise ValueError(
            f"{store.picture(method, item, 0)} and the truth have {sizes} pixels: predictions must"
            " have the truth's size"
        )
    given = store.folder / store.picture("input", item, 0)
    seen = Comparison(prediction, cameras, truth, _given(store, given))
    scores, by_part = scores_of(seen, tuple(measures)), part_scores(seen, parts)
    return [
        {**{name: values[view] for name, values in scores.items()}, "parts": by_part[view]}
        for view in range(len(cameras))
    ]


def _truth(store: PictureStore, item: str, count: int) -> Truth | None:
    return (
        store.get_views("truth", item, count)
        if (store.folder / store.picture("truth", item, 0)).is_file()
        else None
    )


def _given(store: PictureStore, path: Path) -> Any:
    return store.get_picture(str(path.relative_to(store.folder)))[None] if path.is_file() else None
