"""Lifts pictures with a student and with what it has to beat, looks at the identities from other
sides, compares with the truth.

OUTPUT gets results.json (means with intervals, comparisons), scores.jsonl (every picture), the
pictures that were scored, and a report. suite=… says what is asked about, methods=[…] who is asked.
The same command continues an evaluation that was killed; processes=N shares the work.
docs/evaluation.md says what is measured and how.

verify=FOLDER scores the stored pictures of an evaluation again; exit status 1 if anything differs.
export=FOLDER writes a suite's pictures and cameras, predictions=FOLDER scores the pictures that
another program made of them. compare=[A,B] puts the outputs of several evaluations on one page in
OUTPUT.
"""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate
from pipeline.build.evaluation import Evaluation
from pipeline.build.evaluation_workers import (
    device_of,
    do_share,
    lines_folder,
    other_processes,
    wait_for_others,
)
from pipeline.evaluation.foreign import export_suite
from pipeline.evaluation.metrics.available import available_measures
from pipeline.evaluation.metrics.set_scores import with_set_scores
from pipeline.evaluation.report.compare import write_comparison
from pipeline.evaluation.report.console import table
from pipeline.evaluation.report.page import write_report
from pipeline.evaluation.report.wandb import log_report
from pipeline.evaluation.results import RESULTS_SCHEMA, in_order, summary
from pipeline.evaluation.shard import Shard, shard_of_launcher
from pipeline.evaluation.verification import read_told, verify
from pipeline.runs.files import sha256_of_json, write_json
from pipeline.runs.json_lines import Line, write_lines
from pipeline.runs.provenance import command, hardware, peak_memory_gib, versions
from pipeline.runs.renamed import current, earlier, read_json
from pipeline.runs.run_folder import RunFolder

FREE = (
    "methods",
    "name",
    "output",
    "paths",
    "processes",
    "suite.cache",
    "verify",
    "export",
    "compare",
    "wandb",
)
"""Settings that may change from start to start: they decide who is asked and where things lie, not
what is measured.
"""


@verb("evaluate")
def main(config: DictConfig) -> None:
    """Asks, scores, puts together; or checks; or exports."""
    if config.verify is not None:
        check(config)
        return
    if config.compare is not None:
        _say(
            f"{write_comparison([Path(folder) for folder in config.compare], Path(config.output))}"
        )
        return
    evaluation = Evaluation(config)
    if config.export is not None:
        count = export_suite(evaluation.suite, Path(config.export))
        _say(
            f"{count} pictures and the cameras of what is wanted:"
            f" {Path(config.export) / 'cameras.json'}"
        )
        return
    shard = shard_of_launcher()
    if shard.is_first:
        with RunFolder(Path(config.output)) as folder:
            adopt_earlier(folder, evaluation)
            folder.record(configuration(evaluation), free=FREE)
            results = run(evaluation, Path(config.output), shard)
        _say(f"{table(results)}\n")
        _say(
            f"all numbers: {Path(config.output) / 'results.json'}; to look at:"
            f" {Path(config.output) / 'index.html'}"
        )
    else:
        share = Evaluation(config, device_of(shard.rank, config.device))
        do_share(
            share, Path(config.output), lines_folder(Path(config.output), decisive(share)), shard
        )


def run(evaluation: Evaluation, output: Path, shard: Shard) -> dict[str, Any]:
    """Measures what is missing, and writes the results of all."""
    started = time.perf_counter()
    folder = lines_folder(output, decisive(evaluation))
    count = evaluation.config.processes if shard.count == 1 else 1
    with other_processes(evaluation.settings, output, folder, count):
        do_share(evaluation, output, folder, shard if shard.count > 1 else Shard(0, count))
    asked = evaluation.asked()
    lines = in_order(wait_for_others(evaluation, folder), asked)
    results = described(evaluation) | with_set_scores(
        summary(lines, asked), lines, output, Path(evaluation.config.paths.weights)
    )
    results["extras"] = extras(evaluation, output)
    results["run"] = this_run(time.perf_counter() - started, lines)
    write_json(output / "manifest.json", evaluation.tasks[0].manifest, indent=1)
    write_lines(output / "scores.jsonl", lines)
    write_json(output / "results.json", results, indent=1, allow_nan=False)
    write_report(output)
    if evaluation.config.wandb is not None:
        log_to_wandb(evaluation.config, output)
    return results


def check(config: DictConfig) -> None:
    """Scores stored predictions again.

    Raises:
        SystemExit: something differs; each file is named on stderr.
    """
    output, weights = Path(config.verify), Path(config.paths.weights)
    chosen = read_told(output)["measures"]
    estimator = None if chosen["pose_estimator"] is None else instantiate(chosen["pose_estimator"])
    differences, count = verify(
        output, available_measures(weights, chosen["settings"], estimator), weights
    )
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    if differences:
        sys.stderr.write(f"trilift evaluate: {len(differences)} differences in {output}\n")
        raise SystemExit(1)
    _say(f"{output}: {count} pictures scored again, nothing differs")


def configuration(evaluation: Evaluation) -> dict[str, Any]:
    """What an evaluation was started with; one that is continued must have the same."""
    hashes = {task.suite.name: task.manifest_sha256 for task in evaluation.tasks}
    kinds = {
        "checkpoint_sha256": evaluation.checkpoint_sha256,
        "manifests_sha256": hashes,
        "device_kind": evaluation.device.type,
    }
    return {
        **evaluation.settings,
        **kinds,
        "predictions_sha256": [method.sha256() for method in evaluation.foreign],
    }


def adopt_earlier(folder: RunFolder, evaluation: Evaluation) -> None:
    """Lets an evaluation that an earlier version began be continued: hashes of manifests and the
    name of the folder of lines follow from keys that have been renamed since.
    """
    if not folder.config_path.exists():
        return
    stored = json.loads(folder.config_path.read_text(encoding="utf-8"))
    manifests = {task.suite.name: task.manifest for task in evaluation.tasks}
    adopted = current(stored)
    for suite, digest in stored["manifests_sha256"].items():
        if suite in manifests and digest == sha256_of_json(earlier(manifests[suite])):
            adopted["manifests_sha256"][suite] = sha256_of_json(manifests[suite])
    if adopted == stored:
        return
    lines = lines_folder(folder.path, without_free(stored))
    if lines.exists():
        lines.rename(lines_folder(folder.path, without_free(adopted)))
    write_json(folder.config_path, adopted)


def decisive(evaluation: Evaluation) -> dict[str, Any]:
    """The configuration without what may change."""
    return without_free(configuration(evaluation))


def without_free(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what may change."""
    kept = json.loads(json.dumps(configuration))
    for key in FREE:
        *path, last = key.split(".")
        node = kept
        for name in path:
            node = node.get(name) or {}
        node.pop(last, None)
    return dict(kept)


def described(evaluation: Evaluation) -> dict[str, Any]:
    """What was evaluated."""
    suite, task = evaluation.suite, evaluation.tasks[0]
    chosen = ("seed", "ceiling_identities", "ceiling_seed", "mean_of", "calibration_samples")
    return {
        "schema": RESULTS_SCHEMA,
        "suite": suite.name,
        "settings": suite.settings() | {key: evaluation.config[key] for key in chosen},
        "manifest_sha256": task.manifest_sha256,
        "checkpoint": None if evaluation.config.checkpoint is None else _student(evaluation),
        "gaps_deg": [float(edge) for edge in suite.gaps_deg],
        "parts": {name: list(numbers) for name, numbers in suite.parts.items()},
        "measures": {
            "settings": evaluation.settings["metrics"],
            "pose_estimator": evaluation.settings["pose_estimator"],
        },
    }


def extras(evaluation: Evaluation, output: Path) -> dict[str, Any]:
    """The suite's own tables, made once for the methods that are asked."""
    path, methods = output / "extras.json", evaluation.settings["methods"]
    known = read_json(path) if path.exists() else {}
    if known.get("methods") != methods:
        known = {"methods": methods, "extras": evaluation.suite.extras(evaluation.tasks[0].answers)}
        write_json(path, known, indent=None, allow_nan=False)
    tables: dict[str, Any] = known["extras"]
    return tables


def this_run(seconds: float, lines: list[Line]) -> dict[str, Any]:
    """What would differ another time."""
    highest = max((line["peak_memory_mib"] or 0.0 for line in lines), default=0.0) / 1024
    return {
        "command": command("evaluate"),
        "seconds": round(seconds, 1),
        "peak_memory_gib": max(peak_memory_gib(), round(highest, 2)),
        "hardware": hardware(),
        "versions": versions(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def log_to_wandb(config: DictConfig, output: Path) -> None:
    """The tables, the pictures and the page as a run of Weights & Biases.

    Raises:
        ValueError: it isn't installed.
    """
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise ValueError("wandb=… needs wandb: pip install 'trilift[wandb]'") from error
    with wandb.init(
        project="trilift", job_type="evaluate", name=config.name, mode=config.wandb, dir=output
    ) as run:
        log_report(run, output)


def _student(evaluation: Evaluation) -> dict[str, Any]:
    lifter = evaluation.lifter
    return {
        "path": str(evaluation.config.checkpoint),
        "sha256": evaluation.checkpoint_sha256,
        "step": lifter.step,
        "encoder_parameters": sum(parameter.numel() for parameter in lifter.encoder.parameters()),
        "image_resolution": lifter.passport.image_resolution,
        "teacher": lifter.passport.name,
        "teacher_hash": lifter.passport.source_hash,
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
