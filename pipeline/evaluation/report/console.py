"""The results as a table on a terminal."""

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
"""Metrics that a terminal has room for."""


def table(results: dict[str, Any]) -> str:
    """A line a method with its means, a line for each metric that was not computed, the suite's own
    tables.
    """
    metrics = {name: results["metrics"][name] for name in SHOWN if name in results["metrics"]}
    width = max(map(len, results["methods"]), default=6) + 2
    heads = [(about["title"], name) for name, about in metrics.items()]
    lines = [
        f"{'method':{width}}" + "".join(f"{title:>14}" for title, _ in heads) + f"{'s / lift':>12}"
    ]
    for method, about in results["methods"].items():
        means = results["scores"][method]["all"]
        cells = "".join(
            f"{shown(means.get(name), metrics[name]['digits']):>14}" for _, name in heads
        )
        seconds = "–" if about["seconds"] is None else f"{about['seconds']:.3g}"
        lines.append(f"{method:{width}}{cells}{seconds:>12}")
    absent = [entry["metric"] for entry in results["unavailable"]]
    lines += [f"not computed (results.json says why): {', '.join(absent)}"] if absent else []
    return "\n".join(
        [*lines, *(f"\n{text_of(extra)}" for extra in results.get("extras", {}).values())]
    )


def shown(mean: dict[str, Any] | None, digits: int) -> str:
    """A mean with the digits that its metric deserves."""
    return "–" if mean is None or mean["mean"] is None else f"{mean['mean']:.{digits}f}"
