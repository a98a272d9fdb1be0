"""Scores from stored files alone: equal when they are first measured and when they are verified."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation.items import ItemViews
from pipeline.evaluation.picture_store import REFERENCE, PictureStore
from teachers.rendering.camera import Camera

from .part_scores import part_scores
from .scoring_input import ScoringInput
from .view_metrics import ViewMetric, scores_of


def scores_of_stored(
    store: PictureStore,
    method: str,
    item: str,
    cameras: Camera,
    metrics: Sequence[ViewMetric],
    parts: Mapping[str, Sequence[int]],
) -> list[dict[str, Any]]:
    """For each view the scores of a stored prediction by metric, and `parts`: the same by part.

    Args:
        store: the stored images.
        method, item: names of the method and of the item.
        cameras: of the views.
        metrics: what is measured.
        parts: names of parts → their numbers in the reference's map.

    Raises:
        ValueError: a file is damaged, or prediction and reference have different sizes.
    """
    prediction = store.get_views(method, item, len(cameras))
    reference = _reference(store, item, len(cameras))
    if reference is not None and reference.image.shape != prediction.image.shape:
        sizes = " and ".join(
            "x".join(map(str, views.image.shape[-2:])) for views in (prediction, reference)
        )
        raise ValueError(
            f"{store.picture(method, item, 0)} and its reference have {sizes} pixels: predictions"
            " must have the reference's size"
        )
    given = store.picture("input", item, 0)
    image = store.get_picture(given)[None] if (store.folder / given).is_file() else None
    seen = ScoringInput(prediction, cameras, reference, image)
    scores, by_part = scores_of(seen, tuple(metrics)), part_scores(seen, parts)
    return [
        {**{name: values[view] for name, values in scores.items()}, "parts": by_part[view]}
        for view in range(len(cameras))
    ]


def _reference(store: PictureStore, item: str, count: int) -> ItemViews | None:
    if not (store.folder / store.picture(REFERENCE, item, 0)).is_file():
        return None
    return store.get_views(REFERENCE, item, count)
