"""What the demo's page tells of an evaluation."""

from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics.view_metrics import VIEW_METRICS
from pipeline.evaluation.results import read_results_json

from .console import shown as shown_with

METRICS = {
    measure.name: (
        measure.description.title,
        measure.description.unit,
        measure.description.more_is_better,
    )
    for measure in VIEW_METRICS
    if measure.name in ("psnr", "psnr_foreground", "ssim", "depth", "depth_aligned", "mask_iou")
}
"""Name → title, unit, whether more is better."""

DIGITS = {measure.name: measure.description.digits for measure in VIEW_METRICS}


def demo_report(output: Path) -> dict[str, Any]:
    """Scores over new views and by yaw gap, the checkpoint and the run, from the results of an
    evaluation.
    """
    told = read_results_json(output)
    student = told["methods"]["student"]
    scores = {
        name: {
            "title": told["methods"][name]["title"],
            "new_views": _known(entry["all"]),
            "by_yaw_gap": [_known(part) for part in entry["by_yaw_gap"]],
        }
        for name, entry in told["scores"].items()
    }
    speed = {"lift_ms": 1000 * student["seconds"], "render_ms": 1000 * student["render_seconds"]}
    return {"scores": scores, "checkpoint": told["checkpoint"], "run": told["run"] | speed}


def shown(mean: dict[str, Any] | None, metric: str) -> str:
    """A mean with the digits that its metric deserves."""
    return shown_with(mean, DIGITS[metric])


def _known(means: dict[str, Any]) -> dict[str, Any]:
    """With None for what was measured of nobody."""
    return dict.fromkeys(METRICS) | means
