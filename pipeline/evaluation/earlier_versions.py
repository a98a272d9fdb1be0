"""Continues evaluations that earlier versions began.

Keys of configurations and score lines are renamed by `pipeline.runs.renamed`. Two hashes of renamed
things remain: that of a suite's manifest, in config.json, and that of the configuration, which
names the folder of the score lines. A teacher without a student had no hash in it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.runs.files import sha256_of_json, write_json
from pipeline.runs.renamed import current
from teachers.plain_values import read_json_file

from .engine import Task
from .shared_run import lines_folder

WORLD_SHA256 = {1: "99c8f2e3f5dc3adb8e13bfc573f6fb1d7b9afe2ebf251fde5ac756145928d3a5"}
"""Version of the puppet world → hash of its source, which manifests held instead up to 967260b."""

FREE_967260B = (
    *("methods", "name", "output", "paths", "processes", "suite.cache"),
    *("verify", "export", "compare", "wandb"),
)
"""Keys that didn't decide the name of the folder of score lines then; later, those of today."""

TEACHER_HASH = "teacher_hash"


def adopt_earlier_run(
    output: Path, tasks: Sequence[Task], configuration: dict[str, Any], free: Sequence[str]
) -> None:
    """Brings config.json and the score lines of an evaluation that an earlier version began to
    today's names, if it is the same evaluation; anything else is left as it is.

    Args:
        output: folder of the evaluation.
        tasks: of today's evaluation.
        configuration: of today's evaluation.
        free: dotted keys that don't decide scores.
    """
    path = output / "config.json"
    if not path.is_file():
        return
    stored = read_json_file(path, dict[str, Any])
    renamed = current(stored)
    manifests = renamed.get("manifests_sha256", {})
    for task in tasks:
        if manifests.get(task.suite.name) == sha256_of_json(_as_967260b(task.manifest)):
            manifests[task.suite.name] = task.manifest_sha256
    if TEACHER_HASH in configuration:
        renamed.setdefault(TEACHER_HASH, configuration[TEACHER_HASH])
    now = lines_folder(output, configuration, free)
    if renamed == stored or lines_folder(output, renamed, free) != now:
        return
    now.mkdir(parents=True, exist_ok=True)
    folders = [lines_folder(output, stored, keys) for keys in (free, FREE_967260B)]
    # One of them alone: two of them would hold the same views twice.
    before = next((folder for folder in folders if folder != now and folder.is_dir()), None)
    if before is not None:
        for lines in before.glob("*.jsonl"):
            lines.replace(now / f"earlier-{lines.name}")
        before.rmdir()
    write_json(path, renamed)


def _as_967260b(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the names of that commit."""
    old = {key: value for key, value in manifest.items() if key != "world_version"}
    if "world_version" in manifest:
        old["world_sha256"] = WORLD_SHA256.get(manifest["world_version"])
    old["items"] = [
        {"person" if key == "subject" else key: value for key, value in item.items()}
        for item in manifest["items"]
    ]
    return old
