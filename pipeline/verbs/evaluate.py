"""Evaluate a student and its baselines on a benchmark: novel views scored against references.

OUTPUT gets results.json (means with intervals, comparisons), scores.jsonl (every view), the images
that were scored, and a report. suite=… chooses the benchmark, methods=[…] what is evaluated on it.
The same command continues an evaluation that was killed; processes=N shares the work.
docs/evaluation.md describes the protocol, docs/metrics.md the metrics.

verify=FOLDER scores the stored images of an evaluation again; exit status 1 if anything differs.
export=FOLDER writes a suite's input images and cameras, predictions=FOLDER scores the images that
another program made of them. compare=[A,B] puts several evaluations on one page in OUTPUT.
"""

import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate
from pipeline.build.evaluation import Evaluation
from pipeline.build.evaluation_workers import device_of, other_processes
from pipeline.build.numerics import with_kernels
from pipeline.evaluation.earlier_versions import adopt_earlier_run
from pipeline.evaluation.foreign import export_suite
from pipeline.evaluation.metrics.available import as_begun, available_metrics
from pipeline.evaluation.output_files import write_results
from pipeline.evaluation.report.compare import write_comparison
from pipeline.evaluation.report.console import table
from pipeline.evaluation.report.page import write_report
from pipeline.evaluation.report.wandb import log_report
from pipeline.evaluation.results import read_results_json
from pipeline.evaluation.shared_run import evaluate_share, lines_folder, wait_for_others
from pipeline.evaluation.verification import verify
from pipeline.evaluation.work_share import WorkShare, share_of_launcher
from pipeline.runs.loggers import require_wandb_login, wandb_errors
from pipeline.runs.run_folder import RunFolder
from teachers.kernels import choose_kernels


@verb("evaluate")
def main(config: DictConfig) -> None:
    """Evaluates; or verifies, compares, exports."""
    output = Path(config.output)
    if config.verify is not None:
        choose_kernels("readable")
        check(config)
        return
    if config.compare is not None:
        given = [config.compare] if isinstance(config.compare, str) else config.compare
        _print(f"{write_comparison([Path(str(folder)) for folder in given], output)}")
        return
    if config.export is not None:
        config = with_kernels(config, Evaluation(config).trial)
        folder = Path(config.export)
        count = export_suite(Evaluation(config).suite, folder)
        _print(f"{count} input images, and the cameras to render: {folder / 'cameras.json'}")
        return
    share = share_of_launcher()
    if share.is_first:
        require_wandb(config.wandb)
    config = with_kernels(config, Evaluation(config).trial, RunFolder(output))
    if share.is_first:
        evaluation = Evaluation(config)
        tasks = evaluation.tasks  # a missing file is reported before there is a folder
        with RunFolder(output) as run_folder:
            adopt_earlier_run(output, tasks, evaluation.configuration(), evaluation.free_keys)
            run_folder.record(evaluation.configuration(), free=evaluation.free_keys)
            results = run(evaluation, output, share)
        _print(f"{table(results)}\n")
        _print(f"all scores: {output / 'results.json'}; report: {output / 'index.html'}")
    else:
        evaluation = Evaluation(config, device_of(share.rank, config.device))
        configuration = evaluation.configuration()
        RunFolder(output).require_same(configuration, free=evaluation.free_keys)
        lines = lines_folder(output, configuration, evaluation.free_keys)
        evaluate_share(evaluation.tasks, output, lines, share)


def run(evaluation: Evaluation, output: Path, share: WorkShare) -> dict[str, Any]:
    """Scores what is missing, and writes the results and the report."""
    started = time.perf_counter()
    folder = lines_folder(output, evaluation.configuration(), evaluation.free_keys)
    count = evaluation.config.processes if share.count == 1 else 1
    own = share if share.count > 1 else WorkShare(0, count)
    with other_processes(evaluation.settings, output, folder, count) as are_well:
        evaluate_share(evaluation.tasks, output, folder, own, is_wanted=are_well)
    results = write_results(
        output,
        evaluation.tasks[0],
        wait_for_others(evaluation.tasks, folder, own),
        evaluation.scope,
        description=evaluation.description(),
        weights=Path(evaluation.config.paths.weights),
        seconds=time.perf_counter() - started,
    )
    write_report(output)
    if evaluation.config.wandb is not None:
        log_to_wandb(evaluation.config, output)
    return results


def check(config: DictConfig) -> None:
    """Scores the stored images again and prints what differs; SystemExit(1) if anything does."""
    output, weights = Path(config.verify), Path(config.paths.weights)
    results = read_results_json(output)
    chosen = results["measures"]
    estimator = None if chosen["pose_estimator"] is None else instantiate(chosen["pose_estimator"])
    available = available_metrics(weights, chosen["settings"], estimator)
    available = as_begun(available, results)
    differences, count = verify(output, available, weights)
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    if differences:
        sys.stderr.write(f"trilift evaluate: {len(differences)} differences in {output}\n")
        raise SystemExit(1)
    _print(f"{output}: {count} views scored again, nothing differs")


def log_to_wandb(config: DictConfig, output: Path) -> None:
    """Logs the tables, the images and the report as a run of Weights & Biases.

    Raises:
        ValueError: wandb can't be used.
    """
    import wandb

    with (
        wandb_errors(f"wandb=offline (the results are in {output})"),
        wandb.init(
            project="trilift", job_type="evaluate", name=config.name, mode=config.wandb, dir=output
        ) as logged,
    ):
        log_report(logged, output)


def require_wandb(mode: str | None) -> None:
    """Fails before anything is scored where wandb isn't installed or not logged in (ValueError)."""
    if mode is None:
        return
    try:
        import wandb  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError("wandb=… needs wandb: pip install 'trilift[wandb]'") from error
    if mode == "online":
        require_wandb_login("wandb=offline")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
