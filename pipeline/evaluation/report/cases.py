"""What the page's script shows: every picture of every method with its scores, as JSON inside the
page.
"""

import json
from functools import partial
from typing import Any

from .maps import depth_map, error_map
from .numbers import digits_of, label
from .pictures import BUDGET, PictureBook, opened
from .results_folder import Results, picture

EXTREMES = 8
"""So many best and worst pictures of the main method come first, should the budget not be enough
for all.
"""


def case_data(results: Results, *, budget: int = BUDGET) -> tuple[str, str]:
    """The JSON for the script, and a sentence on pictures that the page doesn't hold, or nothing."""
    cases = _cases(results)
    book = PictureBook(budget)
    for case in _by_importance(results, cases):
        _note_pictures(book, case)
    uris, full = book.encoded()
    numbers = {key: place for place, key in enumerate(uris)}
    data = {
        "main": results.main_method,
        "headline": results.headline,
        "against": results.told.get("against"),
        "methods": [
            {"name": name, "title": method["title"]} for name, method in results.methods.items()
        ],
        "metrics": [_metric(name, results.metrics[name]) for name in _of_pictures(results)],
        "cases": [_numbered(case, numbers) for case in cases],
        "pictures": list(uris.values()),
    }
    return _inside_html(data), _missing(len(book.sources), len(uris), full)


def _cases(results: Results) -> list[dict[str, Any]]:
    """One for each item and view, with what every method made of it."""
    cases: dict[tuple[str, int], dict[str, Any]] = {}
    measured = _of_pictures(results)
    for row in results.rows:
        key = (row["item"], row["view"])
        if key not in cases:
            told = {
                name: row.get(name)
                for name in (
                    "item",
                    "view",
                    "group",
                    "given_yaw_deg",
                    "yaw_deg",
                    "gap_deg",
                    "face_found",
                    "note",
                )
            }
            cases[key] = {
                **told,
                "input": picture(row, "input"),
                "truth": picture(row, "truth"),
                "true_depth": picture(row, "true_depth"),
                "answers": {},
            }
        scores = {metric: row.get(metric) for metric in measured}
        files = {kind: picture(row, kind) for kind in ("prediction", "error", "depth")}
        cases[key]["answers"][row["method"]] = {
            "scores": scores,
            "seconds": row.get("seconds"),
            **files,
        }
    return list(cases.values())


def _of_pictures(results: Results) -> list[str]:
    """Metrics of single pictures; others, such as FID, are of all together."""
    return [
        name for name in results.metrics if any(row.get(name) is not None for row in results.rows)
    ]


def _by_importance(results: Results, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The extremes of the main method first, then one view of every item, then the others."""
    main, metric = results.main_method, results.headline

    def score(case: dict[str, Any]) -> float | None:
        return (
            None if metric is None else case["answers"].get(main, {}).get("scores", {}).get(metric)
        )

    ranked = sorted(
        (case for case in cases if score(case) is not None), key=lambda case: score(case) or 0.0
    )
    extremes = {id(case) for case in (*ranked[:EXTREMES], *ranked[-EXTREMES:])}
    seen: set[str] = set()
    order = []
    for place, case in enumerate(cases):
        order.append((id(case) not in extremes, case["item"] in seen, place))
        seen.add(case["item"])
    return [cases[place] for _, _, place in sorted(order)]


def _note_pictures(book: PictureBook, case: dict[str, Any]) -> None:
    truth, true_depth = case["truth"], case["true_depth"]
    for kind in ("input", "truth"):
        if case[kind] is not None:
            case[kind] = book.add(str(case[kind]), partial(opened, case[kind]))
    for answer in case["answers"].values():
        prediction, kept = answer["prediction"], answer["error"]
        if prediction is not None:
            answer["prediction"] = book.add(str(prediction), partial(opened, prediction))
        if prediction is not None and truth is not None:
            answer["error"] = book.add(
                f"error of {prediction} from {truth}", partial(error_map, prediction, truth)
            )
        elif kept is not None:
            answer["error"] = book.add(str(kept), partial(opened, kept))
        if answer["depth"] is not None:
            answer["depth"] = book.add(
                str(answer["depth"]),
                partial(depth_map, answer["depth"], true_depth or answer["depth"]),
            )
    if true_depth is not None:
        case["true_depth"] = book.add(str(true_depth), partial(depth_map, true_depth, true_depth))


def _numbered(case: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    """The case with places in the list of pictures instead of keys; null for those that aren't
    there.
    """
    answers = {
        name: {
            "scores": list(answer["scores"].values()),
            "seconds": answer["seconds"],
            **{kind: numbers.get(answer[kind]) for kind in ("prediction", "error", "depth")},
        }
        for name, answer in case["answers"].items()
    }
    return {
        **case,
        **{kind: numbers.get(case[kind]) for kind in ("input", "truth", "true_depth")},
        "answers": answers,
    }


def _metric(name: str, metric: dict[str, Any]) -> dict[str, Any]:
    title = {"title": metric["title"], "label": label(metric), "unit": metric.get("unit") or ""}
    return {
        "name": name,
        **title,
        "more_is_better": metric["more_is_better"],
        "digits": digits_of(metric),
    }


def _missing(known: int, kept: int, full: int) -> str:
    if full == known:
        return ""
    text = (
        f"The page would be too large with all {known} pictures and error maps: {full} are shown in"
        f" full, {kept - full} as thumbnails"
    )
    return f"{text}{'' if kept == known else f', {known - kept} only lie in the folder pictures'}."


def _inside_html(data: Any) -> str:
    """JSON that can't end the script element that it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
