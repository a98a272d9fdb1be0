"""The output of an evaluation, written without one: toy pictures, and numbers that follow from
them.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image

from pipeline.runs.provenance import hardware, versions

METRICS = {
    "psnr": {
        "title": "PSNR",
        "unit": "dB",
        "more_is_better": True,
        "is": "likeness of the whole picture",
        "digits": 2,
        "weights": None,
    },
    "depth": {
        "title": "depth error",
        "unit": "units",
        "more_is_better": False,
        "is": "mean error",
        "digits": 4,
        "weights": None,
    },
    "identity": {
        "title": "identity",
        "unit": "",
        "more_is_better": True,
        "is": "cosine of face features",
        "digits": 3,
        "weights": {"file": "arcface.pth", "sha256": "ab" * 32},
    },
}
GAPS = (
    (0.0, 0.0, "same view"),
    (0.0, 15.0, "0–15°"),
    (15.0, 30.0, "15–30°"),
    (30.0, 45.0, "30–45°"),
    (45.0, 60.0, "45–60°"),
)
YAWS = (0.0, 10.0, -22.0, 40.0, -50.0)


@dataclass(frozen=True)
class ToyMethod:
    """How far a method is off (grey levels), what it is, and how long it takes."""

    name: str
    title: str
    kind: str
    error: float
    seconds: float | None


STUDENT = ToyMethod("student", "the student", "student", 12.0, 0.02)
MEAN = ToyMethod("mean_planes", "mean planes", "trivial", 40.0, None)
PTI = ToyMethod("pti", "PTI", "inversion", 8.0, 48.0)


def disc(item: int, yaw: float, size: int) -> np.ndarray:
    """A coloured disc that moves as the camera turns."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    inside = (x - yaw / 200) ** 2 + y**2 < 0.12
    colour = np.array([(item * 67) % 200, (item * 131 + 40) % 200, 120])
    return np.where(inside[..., None], colour, 245).astype(np.uint8)


def write_results(
    folder: Path,
    *,
    items: int = 4,
    views: int = 3,
    size: int = 24,
    methods: Sequence[ToyMethod] = (STUDENT, MEAN, PTI),
    draw: Callable[[int, float, int], np.ndarray] = disc,
    worse: Callable[[np.ndarray, float, int], np.ndarray] | None = None,
    missed: Sequence[int] = (),
    seed: int = 0,
    **changes: Any,
) -> Path:
    """Writes results.json, scores.jsonl and the pictures of so many items; `missed` are those
    without a face.
    """
    rows: list[dict[str, Any]] = []
    for item in range(items):
        for view in range(views):
            reference = draw(item, YAWS[view], size)
            name = f"p{item}_{view}"
            shared = {
                "input": f"pictures/input/p{item}_0.png",
                "truth": f"pictures/truth/{name}.png",
                "true_depth": f"depth/truth/{name}.safetensors",
            }
            _save(folder / shared["input"], draw(item, YAWS[0], size))
            _save(folder / shared["truth"], reference)
            _save_depth(folder / shared["true_depth"], reference)
            for number, method in enumerate(methods):
                error = method.error * (1 + abs(YAWS[view]) / 40)
                seen = (worse or _noisy)(
                    reference, error, hash((item, view, number, seed)) % 10_000
                )
                own = {
                    "prediction": f"pictures/{method.name}/{name}.png",
                    "depth": f"depth/{method.name}/{name}.safetensors",
                }
                _save(folder / own["prediction"], seen)
                _save_depth(folder / own["depth"], seen)
                rows.append(_row(folder, method, item, view, reference, seen, shared | own, missed))
    results = _results(methods, rows) | changes
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False))
    (folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _noisy(reference: np.ndarray, error: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, error, reference.shape)
    return (reference + noise).clip(0, 255).astype(np.uint8)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _save_depth(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = torch.tensor(pixels).float().mean(-1)[None]
    safetensors.torch.save_file({"depth": 2.5 + grey / 500, "opacity": (grey < 235).half()}, path)


def _row(
    folder: Path,
    method: ToyMethod,
    item: int,
    view: int,
    reference: np.ndarray,
    seen: np.ndarray,
    files: dict,
    missed: Any,
) -> dict:
    squared = float(((reference.astype(float) - seen) ** 2).mean())
    hashed = ("input", "prediction", "truth", "depth", "true_depth")
    return {
        "method": method.name,
        "item": f"p{item}",
        "subject": f"p{item}",
        "view": view,
        "group": ("light skin", "dark skin")[item % 2],
        "given_yaw_deg": 0.0,
        "yaw_deg": YAWS[view],
        "pitch_deg": 0.0,
        "gap_deg": abs(YAWS[view]),
        "camera": [*np.eye(4).flatten(), *np.eye(3).flatten()],
        "face_found": item not in missed,
        "note": "no face was found: whole picture" if item in missed else None,
        "seconds": method.seconds,
        "peak_memory_mib": None,
        "psnr": round(10 * math.log10(255**2 / squared), 5) if squared else None,
        "depth": round(squared**0.5 / 2000, 5),
        "identity": None,
        **{
            f"{kind}_sha256": hashlib.sha256((folder / files[kind]).read_bytes()).hexdigest()
            for kind in hashed
        },
        "checkpoint_sha256": "cd" * 32,
        "files": {"error": None, "frontal": None, **files},
    }


def _results(methods: Sequence[ToyMethod], rows: list[dict]) -> dict[str, Any]:
    return {
        "schema": 2,
        "suite": "puppets",
        "settings": {"identities": 4, "views": 3},
        "manifest_sha256": "ef" * 32,
        "checkpoint": {
            "path": "student.safetensors",
            "sha256": "cd" * 32,
            "step": 600,
            "encoder_parameters": 2_700_000,
            "image_resolution": 64,
            "teacher": "puppets",
            "teacher_hash": "12" * 32,
        },
        "methods": {
            method.name: {
                "title": method.title,
                "kind": method.kind,
                "seconds": method.seconds,
                "render_seconds": 0.03,
                "peak_memory_mib": None,
            }
            for method in methods
        },
        "metrics": {
            name: metric
            for name, metric in METRICS.items()
            if any(row[name] is not None for row in rows)
        },
        "unavailable": [{"metric": "lpips", "why": "the file vgg16.pth isn't in weights/"}],
        "scores": {
            method.name: _scores([row for row in rows if row["method"] == method.name])
            for method in methods
        },
        "comparisons": [
            _compared(rows, methods[0].name, other.name, metric)
            for other in methods[1:]
            for metric in ("psnr", "depth")
        ],
        "extras": {
            "invariance": {
                "title": "Invariance",
                "table": {
                    "columns": ["change", "planes moved", "frontal PSNR"],
                    "rows": [["roll +10°", 0.31, 18.2], ["flip", 0.12, 21.5]],
                },
                "notes": ["A change of the input must not move the canonical planes."],
            }
        },
        "run": {
            "command": "trilift evaluate checkpoint=student.safetensors suite=puppets",
            "seconds": 61.2,
            "peak_memory_gib": 1.4,
            "hardware": hardware(),
            "versions": versions(),
            "date": "2026-11-25T22:00:00+00:00",
        },
    }


def _scores(rows: list[dict]) -> dict[str, Any]:
    counted = [row for row in rows if row["gap_deg"] > 0]
    found = [row for row in counted if row["face_found"]]
    inside = {
        title: [
            row
            for row in rows
            if (row["gap_deg"] == 0 if high == 0 else low < row["gap_deg"] <= high)
        ]
        for low, high, title in GAPS
    }
    return {
        "all": _means(counted),
        "found": _means(found) if len(found) < len(counted) else None,
        "by_yaw_gap": [
            {"title": title, "from_deg": low, "to_deg": high, **_means(inside[title])}
            for low, high, title in GAPS
            if inside[title]
        ],
        "by_part": {},
        "by_group": {
            group: _means([row for row in rows if row["group"] == group])
            for group in sorted({row["group"] for row in rows})
        },
    }


def _means(rows: list[dict]) -> dict[str, Any]:
    return {
        metric: _mean([row for row in rows if row[metric] is not None], metric)
        for metric in METRICS
    }


def _mean(rows: list[dict], metric: str) -> dict[str, Any] | None:
    if not rows:
        return None
    values = np.array([row[metric] for row in rows])
    spread = 1.96 * float(values.std()) / math.sqrt(len(values))
    identities = len({row["item"] for row in rows})
    mean = float(values.mean())
    return {
        "mean": mean,
        "low": mean - spread,
        "high": mean + spread,
        "identities": identities,
        "pictures": len(rows),
    }


def _compared(rows: list[dict], first: str, second: str, metric: str) -> dict[str, Any]:
    mine, others = (
        {(r["item"], r["view"]): r[metric] for r in rows if r["method"] == name}
        for name in (first, second)
    )
    pairs = [
        (mine[key], others[key])
        for key in mine
        if mine[key] is not None and others[key] is not None
    ]
    better = [(a > b) == METRICS[metric]["more_is_better"] for a, b in pairs]
    difference = float(np.mean([a - b for a, b in pairs]))
    ends = {"difference": difference, "low": difference - 0.5, "high": difference + 0.5}
    wins = sum(better)
    return {
        "first": first,
        "second": second,
        "metric": metric,
        **ends,
        "wins": wins,
        "losses": len(pairs) - wins,
        "ties": 0,
        "identities": 4,
    }
