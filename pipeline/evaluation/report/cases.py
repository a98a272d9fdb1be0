"""What the page's script shows: every image of every method with its scores, as JSON."""

from functools import partial
from typing import Any

from .images import BUDGET, ImageBook, Source, opened
from .maps import depth_map, error_map
from .numbers import digits_of, label
from .results_folder import Results, image_file

EXTREMES = 8
"""This many best and worst cases of the main method come first if the budget doesn't allow all."""

FACTS = ("item", "view", "group", "given_yaw_deg", "yaw_deg", "gap_deg", "face_found", "note")
SHARED = {"input": "input", "truth": "reference", "true_depth": "reference_depth"}
"""Files that all methods of a case share: kind in scores.jsonl → name in the page."""

Images = dict[str, tuple[str, Source]]
"""Name in the page → key in the book, and what loads it."""


def case_data(results: Results, *, budget: int = BUDGET) -> tuple[dict[str, Any], str]:
    """The JSON for the script, and a sentence on the images that the page has no room for."""
    cases: dict[tuple[str, int], dict[str, Any]] = {}
    sources: dict[tuple[str, int], dict[str, Source]] = {}
    metrics = _image_metrics(results)
    for row in results.rows:
        place = (row["item"], row["view"])
        case = cases.setdefault(
            place, {name: row.get(name) for name in FACTS} | {"predictions": {}}
        )
        shared, own = _shared_images(row), _own_images(row)
        case |= {name: key for name, (key, _) in shared.items()}
        case["predictions"][row["method"]] = {
            "scores": [row.get(metric) for metric in metrics],
            "seconds": row.get("seconds"),
            **{name: key for name, (key, _) in own.items()},
        }
        sources.setdefault(place, {}).update({**shared, **own}.values())
    book = ImageBook(budget)
    for place in _by_importance(results, cases):
        for key, source in sources[place].items():
            book.sources.setdefault(key, source)
    uris, full = book.encoded()
    places = {key: place for place, key in enumerate(uris)}
    for case in cases.values():
        _number(case, (*SHARED.values(),), places)
        for prediction in case["predictions"].values():
            _number(prediction, ("image", "error", "depth"), places)
    titles = [{"name": name, "title": about["title"]} for name, about in results.methods.items()]
    data = {
        "main": results.main_method,
        "headline": results.headline,
        "against": results.summary.get("against"),
        "methods": titles,
        "metrics": [_metric(name, results.metrics[name]) for name in metrics],
        "cases": list(cases.values()),
        "images": list(uris.values()),
    }
    return data, _missing(len(book.sources), len(uris), full)


def _image_metrics(results: Results) -> list[str]:
    """Metrics of single images; others, such as FID, are of a whole set."""
    return [
        name for name in results.metrics if any(row.get(name) is not None for row in results.rows)
    ]


def _shared_images(row: dict[str, Any]) -> Images:
    files = {kind: image_file(row, kind) for kind in SHARED}
    images: Images = {
        SHARED[kind]: (str(path), partial(opened, path))
        for kind in ("input", "truth")
        if (path := files[kind]) is not None
    }
    if (depth := files["true_depth"]) is not None:
        images["reference_depth"] = (str(depth), partial(depth_map, depth, depth))
    return images


def _own_images(row: dict[str, Any]) -> Images:
    """The method's prediction, its error and its depth, coloured on the reference's scale."""
    prediction, reference = image_file(row, "prediction"), image_file(row, "truth")
    depth, stored_error = image_file(row, "depth"), image_file(row, "error")
    images: Images = {}
    if prediction is not None:
        images["image"] = (str(prediction), partial(opened, prediction))
    if prediction is not None and reference is not None:
        key = f"error of {prediction} to {reference}"
        images["error"] = (key, partial(error_map, prediction, reference))
    elif stored_error is not None:
        images["error"] = (str(stored_error), partial(opened, stored_error))
    if depth is not None:
        scale = image_file(row, "true_depth") or depth
        images["depth"] = (str(depth), partial(depth_map, depth, scale))
    return images


def _by_importance(
    results: Results, cases: dict[tuple[str, int], dict[str, Any]]
) -> list[tuple[str, int]]:
    """The extremes of the main method first, then one view of every item, then the others."""
    metric = results.headline
    scores = {
        (row["item"], row["view"]): row[metric]
        for row in results.rows_of(results.main_method)
        if metric is not None and row.get(metric) is not None
    }
    ranked = sorted(scores, key=scores.__getitem__)
    extremes = {*ranked[:EXTREMES], *ranked[-EXTREMES:]}
    firsts = {item: (item, view) for item, view in reversed(cases)}
    return sorted(cases, key=lambda place: (place not in extremes, place != firsts[place[0]]))


def _number(entry: dict[str, Any], names: tuple[str, ...], places: dict[str, int]) -> None:
    """Replaces keys by places in the list of images; None for those that aren't there."""
    for name in names:
        entry[name] = places.get(entry.get(name, ""))


def _metric(name: str, metric: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": metric["title"],
        "label": label(metric),
        "unit": metric.get("unit") or "",
        "more_is_better": metric["more_is_better"],
        "digits": digits_of(metric),
    }


def _missing(known: int, kept: int, full: int) -> str:
    if full == known:
        return ""
    left_out = "" if kept == known else f", {known - kept} are left out"
    return (
        f"The page would be too large with all {known} images and error maps: {full} are complete,"
        f" {kept - full} are thumbnails{left_out}."
    )
