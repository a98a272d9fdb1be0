"""The results of an evaluation as a table on a terminal."""

from typing import Any

from pipeline.evaluation.tables import text_of

SHOWN = (
    "psnr",
    "psnr_foreground",
    "ssim",
    "lpips",
    "identity",
    "depth",
    "depth_aligned",
    "normal",
    "mask_iou",
    "fid",
)
"""Metrics that fit on a terminal."""


def table(results: dict[str, Any]) -> str:
    """A line for each method with its means, the metrics that were not computed, the suite's own
    tables.
    """
    metrics = {name: results["metrics"][name] for name in SHOWN if name in results["metrics"]}
    widths = {name: max(12, len(metric["title"])) + 2 for name, metric in metrics.items()}
    first = max(map(len, results["methods"]), default=6) + 2
    heads = "".join(f"{metrics[name]['title']:>{width}}" for name, width in widths.items())
    lines = [f"{'method':{first}}{heads}{'s / lift':>12}"]
    for method, about in results["methods"].items():
        means = results["scores"][method]["all"]
        cells = "".join(
            f"{shown(means.get(name), metrics[name]['digits']):>{width}}"
            for name, width in widths.items()
        )
        seconds = "–" if about["seconds"] is None else f"{about['seconds']:.3g}"
        lines.append(f"{method:{first}}{cells}{seconds:>12}")
    absent = ", ".join(entry["metric"] for entry in results["unavailable"])
    lines += [f"not computed (reasons in results.json): {absent}"] if absent else []
    return "\n".join(
        [*lines, *(f"\n{text_of(extra)}" for extra in results.get("extras", {}).values())]
    )


def shown(mean: dict[str, Any] | None, digits: int) -> str:
    """A mean with the decimals of its metric."""
    return "–" if mean is None or mean["mean"] is None else f"{mean['mean']:.{digits}f}"
