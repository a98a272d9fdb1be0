"""Where an evaluation's numbers come from: command, checkpoint, machine, versions, hashes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.runs.durations import duration

from .numbers import counted, number
from .results_folder import Results


@dataclass(frozen=True)
class Fact:
    """A line of provenance; a hash is printed in a fixed-width font."""

    title: str
    text: str
    is_hash: bool = False


@dataclass(frozen=True)
class Provenance:
    """One evaluation behind the report; `title` is empty where there is only one."""

    title: str
    command: str
    facts: list[Fact]


def provenance(results: Results) -> list[Provenance]:
    """Of every evaluation that the numbers come from."""
    merged: Mapping[str, Any] = results.summary.get("compared") or {"": results.summary}
    return [
        Provenance(title, summary["run"].get("command") or "", _facts(summary))
        for title, summary in merged.items()
    ]


def machine(hardware: Mapping[str, Any] | str | None) -> str:
    """The machine in one line."""
    if not hardware:
        return ""
    if isinstance(hardware, str):
        return hardware
    cores, threads = (counted(hardware.get(key) or 0, key[:-1]) for key in ("cores", "threads"))
    memory = f"{hardware['memory_gib']:.0f} GiB" if hardware.get("memory_gib") else ""
    gpu = hardware.get("gpu") or "no GPU"
    return _joined(hardware.get("processor"), cores, threads, memory, gpu)


def versions(run: Mapping[str, Any]) -> str:
    """The versions in one line."""
    known = run.get("versions") or {}
    return ", ".join(f"{name} {value}" for name, value in known.items() if value)


def _facts(summary: Mapping[str, Any]) -> list[Fact]:
    run: Mapping[str, Any] = summary["run"]
    checkpoint: Mapping[str, Any] = summary.get("checkpoint") or {}
    settings = json.dumps(summary.get("settings") or {}, ensure_ascii=False)[1:-1]
    peak = run.get("peak_memory_gib")
    memory = "" if peak is None else f"{peak:.1f} GiB peak memory"
    facts = [
        Fact("Suite", summary["suite"]),
        Fact("Settings", settings.replace('"', "")),
        _hash("Manifest", summary.get("manifest_sha256")),
        Fact("Checkpoint", _checkpoint(checkpoint)),
        _hash("", checkpoint.get("sha256")),
        Fact("Teacher", str(checkpoint.get("teacher") or "")),
        _hash("", checkpoint.get("teacher_hash")),
        *(
            _hash(f"Weights: {metric['title']}", weights["sha256"], f"{weights['file']}, ")
            for metric in summary["metrics"].values()
            if (weights := metric.get("weights"))
        ),
        Fact("Machine", machine(run.get("hardware"))),
        Fact("Versions", versions(run)),
        Fact("Time", _joined(duration(run.get("seconds")), memory)),
        Fact("Date", str(run.get("date") or "")),
        Fact("Speed", "; ".join(filter(None, map(_speed, summary["methods"].values())))),
    ]
    return [fact for fact in facts if fact.text]


def _checkpoint(checkpoint: Mapping[str, Any]) -> str:
    step, parameters = checkpoint.get("step"), checkpoint.get("encoder_parameters")
    return _joined(
        checkpoint.get("path"),
        "" if step is None else f"step {step:,}",
        f"{parameters:,} parameters" if parameters else "",
    )


def _speed(method: Mapping[str, Any]) -> str:
    if method.get("seconds") is None:
        return ""
    view, memory = method.get("render_seconds"), method.get("peak_memory_mib")
    times = _joined(
        f"lift {duration(method['seconds'])}",
        "" if view is None else f"view {duration(view)}",
        "" if memory is None else f"{number(memory, 0)} MiB",
    )
    return f"{method['title']}: {times}"


def _hash(title: str, value: Any, before: str = "") -> Fact:
    return Fact(title, f"{before}sha256 {value}" if value else "", is_hash=True)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)
