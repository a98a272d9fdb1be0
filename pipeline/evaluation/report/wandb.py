"""An evaluation in Weights & Biases: its tables, its pictures, and the page."""

from pathlib import Path
from typing import Any

from .csv import MEAN
from .results_folder import Results, picture, read_results

KINDS = ("input", "truth", "prediction")


def log_report(run: Any, output: Path) -> None:
    """Logs what `write_report` has written of an evaluation.

    Args:
        run: of wandb, as `wandb.init` or Lightning's logger gives it; offline ones will do.
        output: of `trilift evaluate`.

    Raises:
        ValueError: wandb isn't installed, or the folder isn't the output of an evaluation.
    """
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise ValueError("logger=wandb needs wandb: pip install 'trilift[wandb]'") from error
    results = read_results(output)
    contents = {"scores": _means(results), "pictures": _pictures(results, wandb.Image)}
    tables: dict[str, Any] = {
        name: wandb.Table(columns=[*columns], data=rows)
        for name, (columns, rows) in contents.items()
    }
    page = wandb.Html((output / "index.html").read_text(encoding="utf-8"), inject=False)
    run.log(
        {
            f"evaluation/{results.told['suite']}/{name}": value
            for name, value in {**tables, "report": page}.items()
        }
    )
    run.summary.update(_headlines(results))


def _means(results: Results) -> tuple[list[str], list[list[Any]]]:
    """Columns and a row for each method and metric, over all pictures."""
    rows = []
    for method, scores in results.told["scores"].items():
        found = {metric: (scores.get("all") or {}).get(metric) for metric in results.metrics}
        rows += [
            [method, metric, *(mean.get(key) for key in MEAN)]
            for metric, mean in found.items()
            if mean
        ]
    return ["method", "metric", *MEAN], rows


def _pictures(results: Results, image: Any) -> tuple[list[str], list[list[Any]]]:
    """Columns and a row for each picture of each method."""
    facts = ("method", "item", "view", "group", "gap_deg", "face_found", "seconds")
    rows = []
    for row in results.rows:
        files = [picture(row, kind) for kind in KINDS]
        shown = [None if path is None else image(str(path)) for path in files]
        rows.append(
            [
                *(row.get(name) for name in facts),
                *(row.get(metric) for metric in results.metrics),
                *shown,
            ]
        )
    return [*facts, *results.metrics, *KINDS], rows


def _headlines(results: Results) -> dict[str, float]:
    """The means over all pictures, by suite, method and metric."""
    _, rows = _means(results)
    return {f"{results.told['suite']}/{method}/{metric}": mean for method, metric, mean, *_ in rows}
