"""Several evaluations on the same suite merged into one report, with paired differences."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics.metric import Metric, is_former
from pipeline.evaluation.paired import comparisons
from pipeline.evaluation.picture_store import read_png
from pipeline.evaluation.results import headline
from pipeline.runs.files import write_json

from .images import BUDGET
from .page import write_pages
from .results_folder import RESULTS, Results, read_results

NOT_COMPARED = ("trivial", "ceiling")
"""Kinds of methods that are left out unless an evaluation has no others."""

ROUNDING = 2 / 255
"""Mean difference of two pictures in [-1, 1] that show the same: one grey level."""

FREE_SETTINGS = ("ceiling_identities", "ceiling_seed", "mean_of", "calibration_samples")
"""Settings that only such methods depend on."""


def write_comparison(folders: Sequence[Path], output: Path, *, budget: int = BUDGET) -> Path:
    """Writes index.html, report.md, scores.csv, means.csv and comparison.json.

    Args:
        folders: outputs of `trilift evaluate` for the same suite, at least two.
        output: the folder of the report.
        budget: bytes of the images inside the page.

    Returns:
        the page.

    Raises:
        ValueError: fewer than two folders, the evaluations differ in suite or settings, or
            `output` holds an evaluation.
    """
    if (output / RESULTS).exists():
        raise ValueError(
            f"{output} holds an evaluation, whose report would be overwritten: give another output="
        )
    merged = merge(folders, output)
    write_json(output / "comparison.json", merged.summary, indent=1)
    return write_pages(merged, output, budget=budget)


def merge(folders: Sequence[Path], output: Path) -> Results:
    """The evaluations as one; each method's name begins with that of its folder.

    Raises:
        ValueError: fewer than two folders, or the evaluations differ in suite or settings.
    """
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError(
            f"compare={[str(folder) for folder in folders]}: give the output folders of two or more"
            " different evaluations"
        )
    labels = short_names(folders)
    parts = {label: read_results(folder) for label, folder in zip(labels, folders, strict=True)}
    require_same_suite(parts)
    require_same_pictures(parts)
    chosen = {label: _competitors(part) for label, part in parts.items()}
    shared, differing = _shared_metrics(parts)
    rows = [
        {**row, "method": _name(label, row["method"])}
        for label, part in parts.items()
        for row in part.rows
        if row["method"] in chosen[label]
    ]
    pairs = _pairs(parts, chosen)
    first = next(iter(parts.values())).summary
    summary = {
        **{key: first.get(key) for key in ("schema", "suite", "settings", "manifest_sha256")},
        "title": f"Comparison: {first['suite'].replace('_', ' ')}",
        "methods": {
            _name(label, name): _titled(part, label, name)
            for label, part in parts.items()
            for name in chosen[label]
        },
        "metrics": shared,
        "unavailable": differing,
        "scores": {
            _name(label, name): part.summary["scores"].get(name) or {}
            for label, part in parts.items()
            for name in chosen[label]
        },
        "comparisons": [entry for pair in pairs for entry in _compared(rows, pair, shared)],
        "pairs": pairs,
        "against": pairs[0][1],
        "notes": _notes(parts),
        "run": {},
        "compared": {label: _origin(part) for label, part in parts.items()},
    }
    return Results(output, summary, rows)


def short_names(folders: Sequence[Path]) -> list[str]:
    """The shortest distinct ends of the paths, such as `base` and `big`."""
    parts = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"{', '.join(map(str, folders))}: the same folder was given twice")


def require_same_suite(parts: dict[str, Results]) -> None:
    """Checks that all were evaluated on the same items.

    Raises:
        ValueError: two differ in suite, manifest or settings; the message names the difference.
    """
    (first, one), *others = parts.items()
    for label, other in others:
        differences = [
            f"{key} is {_brief(mine)} in {first} and {_brief(theirs)} in {label}"
            for key, (mine, theirs) in _differences(one.summary, other.summary).items()
        ]
        if differences:
            raise ValueError(
                f"{first} and {label} can't be compared: {'; '.join(differences)}: evaluate both"
                " with the same suite"
            )


def require_same_pictures(parts: dict[str, Results]) -> None:
    """Checks that inputs and references show the same: cameras, samplers and seeds that no manifest
    holds can differ. Another machine's rounding is allowed.

    Raises:
        ValueError: two differ, or one that could isn't there to be compared.
    """
    (first, one), *others = parts.items()
    mine = _pictures(one)
    for label, other in others:
        for key, (sha256, path) in _pictures(other).items():
            if key not in mine or mine[key][0] == sha256:
                continue
            kind, item, view = key
            pair = [read_png(known) for known in (mine[key][1], path)]
            if pair[0].shape != pair[1].shape or (pair[0] - pair[1]).abs().mean() > ROUNDING:
                raise ValueError(
                    f"{first} and {label} can't be compared: view {view} of {item} has another"
                    f" {kind}, so cameras, sampler or seed differ: evaluate both with the same"
                    " settings"
                )


def _pictures(part: Results) -> dict[tuple[str, str, int], tuple[str, Path]]:
    """Kind, item and view → sha256 and path, of what methods are given or compared with."""
    return {
        (kind, row["item"], row["view"]): (row[f"{kind}_sha256"], row["files"][kind])
        for row in part.rows
        if row["method"] in _competitors(part)
        for kind in ("input", "truth")
        if row.get(f"{kind}_sha256") is not None and row["files"].get(kind) is not None
    }


def _differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    values = {key: (one.get(key), other.get(key)) for key in ("suite", "manifest_sha256")}
    mine, theirs = (part.get("settings") or {} for part in (one, other))
    values |= {
        f"settings.{key}": (mine.get(key), theirs.get(key))
        for key in {**mine, **theirs}
        if key not in FREE_SETTINGS
    }
    return {key: pair for key, pair in values.items() if pair[0] != pair[1]}


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _competitors(part: Results) -> list[str]:
    chosen = [
        name for name, method in part.methods.items() if method.get("kind") not in NOT_COMPARED
    ]
    return chosen or list(part.methods)


def _name(label: str, method: str) -> str:
    return f"{label}/{method}"


def _titled(part: Results, label: str, name: str) -> dict[str, Any]:
    method = part.methods[name]
    return {**method, "title": f"{label}: {method['title']}"}


def _shared_metrics(parts: dict[str, Results]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Metrics that all measured in the same way, and why the others aren't compared."""
    everything = {name: metric for part in parts.values() for name, metric in part.metrics.items()}
    shared, differing = {}, []
    for name, metric in everything.items():
        lacking = [label for label, part in parts.items() if name not in part.metrics]
        weights = {
            json.dumps(part.metrics[name].get("weights"), sort_keys=True)
            for part in parts.values()
            if name in part.metrics
        }
        if lacking:
            differing.append(
                {"metric": metric["title"], "why": f"not measured in {', '.join(lacking)}"}
            )
        elif name == "pose" and len({_estimator(part) for part in parts.values()}) > 1:
            differing.append({"metric": metric["title"], "why": "other estimators found the poses"})
        elif len(weights) > 1:
            differing.append({"metric": metric["title"], "why": "measured with different weights"})
        elif len({is_former(part.metrics[name]) for part in parts.values()}) > 1:
            differing.append({"metric": metric["title"], "why": "defined differently"})
        else:
            shared[name] = metric
    return shared, differing


def _estimator(part: Results) -> str:
    """The settings of what found the poses."""
    measures = part.summary.get("measures") or {}
    return json.dumps(measures.get("pose_estimator"), sort_keys=True)


def _pairs(parts: dict[str, Results], chosen: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The same method in two evaluations, or else their main methods."""
    pairs = []
    for one, other in combinations(parts, 2):
        same = [name for name in chosen[one] if name in chosen[other]]
        mine, theirs = (parts[label].main_method for label in (one, other))
        pairs += [(_name(one, name), _name(other, name)) for name in same] or [
            (_name(one, mine), _name(other, theirs))
        ]
    return pairs


def _compared(
    rows: list[dict[str, Any]], pair: tuple[str, str], metrics: dict[str, Any]
) -> list[dict[str, Any]]:
    compared = [
        {**row, "subject": row.get("subject") or row["item"]}
        for row in rows
        if row["method"] in pair
    ]
    described = {
        name: Metric(
            title=metric["title"],
            unit=metric.get("unit") or "",
            more_is_better=metric["more_is_better"],
            meaning=metric.get("is") or "",
        )
        for name, metric in metrics.items()
    }
    return comparisons(headline(compared), list(pair), described)


def _notes(parts: dict[str, Results]) -> list[str]:
    machines = {
        json.dumps(part.summary["run"].get("hardware"), sort_keys=True) for part in parts.values()
    }
    return (
        ["The evaluations ran on different machines: compare their scores, not their seconds."]
        if len(machines) > 1
        else []
    )


def _origin(part: Results) -> dict[str, Any]:
    keys = ("suite", "settings", "manifest_sha256", "checkpoint", "methods", "metrics", "run")
    return {key: part.summary.get(key) for key in keys}
