"""The files of a finished evaluation: results.json, scores.jsonl, manifest.json, extras.json."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics.set_metrics import add_set_metrics
from pipeline.runs.files import write_json
from pipeline.runs.json_lines import Line, write_lines
from pipeline.runs.provenance import command, hardware, peak_memory_gib, versions
from teachers.plain_values import read_json_file

from .engine import Task
from .results import EvaluationScope, in_order, summary


def write_results(
    output: Path,
    task: Task,
    lines: Sequence[Line],
    scope: EvaluationScope,
    *,
    description: dict[str, Any],
    weights: Path,
    seconds: float,
) -> dict[str, Any]:
    """Computes the results from the score lines and writes all files.

    Args:
        output: folder of the evaluation.
        task: that of the suite (not the ceiling's).
        lines: of all processes, in any order.
        scope: what is reported.
        description: of what was evaluated; the first keys of results.json.
        weights: folder of published networks, for FID and KID.
        seconds: since the start.

    Returns:
        results.json.
    """
    ordered = in_order(lines, scope)
    results = description | add_set_metrics(summary(ordered, scope), ordered, output, weights)
    results["extras"] = _extras(task, output)
    about = task.suite.results_table(results)
    if about is not None:
        results["extras"] = {**results["extras"], about[0]: about[1]}
    results["run"] = _this_run(seconds, ordered)
    write_json(output / "manifest.json", task.manifest, indent=1)
    write_lines(output / "scores.jsonl", ordered)
    write_json(output / "results.json", results, indent=1)
    return results


def _extras(task: Task, output: Path) -> dict[str, Any]:
    """The suite's own tables, made once for a list of methods."""
    path, methods = output / "extras.json", [method.name for method in task.methods]
    advice = "remove it: it is made again"
    known = read_json_file(path, dict[str, Any], advice) if path.exists() else {}
    if known.get("methods") != methods:
        known = {"methods": methods, "extras": task.suite.extras(task.methods)}
        write_json(path, known, indent=None)
    tables: dict[str, Any] = known["extras"]
    return tables


def _this_run(seconds: float, lines: Sequence[Line]) -> dict[str, Any]:
    """What another run would have otherwise."""
    highest = max((line["peak_memory_mib"] or 0.0 for line in lines), default=0.0) / 1024
    return {
        "command": command("evaluate"),
        "seconds": round(seconds, 1),
        "peak_memory_gib": max(peak_memory_gib(), round(highest, 2)),
        "hardware": hardware(),
        "versions": versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
