"""Paired comparisons of two methods on the same views."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.evaluation.metrics.metric import Metric
from pipeline.runs.json_lines import Line

from .means import interval


def comparisons(
    lines: Sequence[Line], methods: Sequence[str], metrics: dict[str, Metric]
) -> list[dict[str, Any]]:
    """For every pair of methods and every metric the mean difference (first - second) with its
    interval.

    Wins count the views in which the first method is better. Views for which only one of them has a
    number are left out.
    """
    table = {metric: _by_picture(lines, metric) for metric in metrics}
    found = []
    for first, second in combinations(methods, 2):
        for name, metric in metrics.items():
            compared = _compared(
                table[name].get(first, {}), table[name].get(second, {}), metric.more_is_better
            )
            if compared is not None:
                found.append({"first": first, "second": second, "metric": name, **compared})
    return found


def _by_picture(lines: Sequence[Line], metric: str) -> dict[str, dict[tuple[str, str, int], float]]:
    found: dict[str, dict[tuple[str, str, int], float]] = defaultdict(dict)
    for line in lines:
        if line.get(metric) is not None:
            found[line["method"]][line["subject"], line["item"], line["view"]] = line[metric]
    return found


def _compared(
    one: dict[Any, float], other: dict[Any, float], more_is_better: bool
) -> dict[str, Any] | None:
    differences = {key: one[key] - other[key] for key in one if key in other}
    if not differences:
        return None
    identities: dict[str, list[float]] = defaultdict(list)
    for (subject, _, _), difference in differences.items():
        identities[subject].append(difference)
    means = np.array([np.mean(values) for values in identities.values()])
    low, high = interval(means)
    signs = np.sign(list(differences.values())) * (1 if more_is_better else -1)
    return {
        "difference": round(float(means.mean()), 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "wins": int((signs > 0).sum()),
        "losses": int((signs < 0).sum()),
        "ties": int((signs == 0).sum()),
        "identities": len(identities),
        "pictures": len(differences),
    }
