"""Where an evaluation's numbers come from: the exact command, what was evaluated, machine,
versions, hashes.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from pipeline.runs.durations import duration

from .numbers import counted, number
from .results_folder import Results


def origin(results: Results) -> str:
    """The last section of the page."""
    parts = "".join(_section(title, told) for title, told in origins(results))
    return (
        f"<h2>How this was made</h2>{parts}<h3>What the scores"
        f" are</h3><dl>{_meanings(results)}</dl>"
    )


def origins(results: Results) -> list[tuple[str, dict[str, Any]]]:
    """The evaluations that the numbers come from, with a title where there are several."""
    compared: dict[str, dict[str, Any]] = results.told.get("compared") or {"": results.told}
    return list(compared.items())


def _section(title: str, told: Mapping[str, Any]) -> str:
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{_value(text)}</dd>" for name, text in origin_facts(told)
    )
    head = f"<h3>{escape(title)}</h3>" if title else ""
    return f"{head}<pre>{escape(told['run'].get('command') or '')}</pre><dl>{items}</dl>"


def origin_facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands beside the command in a results.json: title, text; texts that begin with sha256
    are hashes.
    """
    run: Mapping[str, Any] = told["run"]
    checkpoint: Mapping[str, Any] = told.get("checkpoint") or {}
    facts = [
        ("Suite", told["suite"]),
        (
            "Settings",
            json.dumps(told.get("settings") or {}, ensure_ascii=False)[1:-1].replace('"', ""),
        ),
        ("Manifest", _hash(told.get("manifest_sha256"))),
        ("Checkpoint", _checkpoint(checkpoint)),
        ("", _hash(checkpoint.get("sha256"))),
        ("Teacher", str(checkpoint.get("teacher") or "")),
        ("", _hash(checkpoint.get("teacher_hash"))),
        *(
            (
                f"Weights: {metric['title']}",
                f"{metric['weights']['file']}, sha256 {metric['weights']['sha256']}",
            )
            for metric in _weighty(told)
        ),
        ("Machine", machine(run.get("hardware"))),
        (
            "Versions",
            ", ".join(
                f"{name} {value}" for name, value in (run.get("versions") or {}).items() if value
            ),
        ),
        ("Took", _took(run)),
        ("When", str(run.get("date") or "")),
        ("Speed", _speed(told)),
    ]
    return [(title, text) for title, text in facts if text]


def machine(hardware: Mapping[str, Any] | str | None) -> str:
    """The machine in a line."""
    if isinstance(hardware, str):
        return hardware
    if not hardware:
        return ""
    memory = f", {hardware['memory_gib']:.0f} GiB" if hardware.get("memory_gib") else ""
    cores, threads = (counted(hardware.get(what) or 0, what[:-1]) for what in ("cores", "threads"))
    return (
        f"{hardware.get('processor')}, {cores}, {threads}{memory},"
        f" {hardware.get('gpu') or 'no GPU'}"
    )


def _checkpoint(checkpoint: Mapping[str, Any]) -> str:
    if not checkpoint:
        return ""
    told = [str(checkpoint.get("path") or "")]
    if checkpoint.get("step") is not None:
        told.append(f"step {checkpoint['step']:,}")
    if checkpoint.get("encoder_parameters"):
        told.append(f"{checkpoint['encoder_parameters']:,} parameters")
    return ", ".join(text for text in told if text)


def _speed(told: Mapping[str, Any]) -> str:
    parts = []
    for method in told["methods"].values():
        if method.get("seconds") is not None:
            view = (
                f", a view {duration(method['render_seconds'])}"
                if method.get("render_seconds") is not None
                else ""
            )
            memory = (
                f", {number(method['peak_memory_mib'], 0)} MiB"
                if method.get("peak_memory_mib") is not None
                else ""
            )
            parts.append(f"{method['title']}: a lift {duration(method['seconds'])}{view}{memory}")
    return "; ".join(parts)


def _took(run: Mapping[str, Any]) -> str:
    memory = (
        f", {run['peak_memory_gib']:.1f} GiB at most"
        if run.get("peak_memory_gib") is not None
        else ""
    )
    return f"{duration(run.get('seconds'))}{memory}"


def _weighty(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [metric for metric in told["metrics"].values() if metric.get("weights")]


def _hash(value: Any) -> str:
    return f"sha256 {value}" if value else ""


def _value(text: str) -> str:
    return (
        f'<span class="hash">{escape(text)}</span>' if text.startswith("sha256 ") else escape(text)
    )


def _meanings(results: Results) -> str:
    return "".join(
        f"<dt>{escape(metric['title'])}</dt><dd>{escape(metric.get('is') or '')}</dd>"
        for metric in results.metrics.values()
    )
