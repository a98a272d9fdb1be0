"""An evaluation in Weights & Biases: its tables, its images and the page."""

from pathlib import Path
from typing import Any

from .csv_files import MEAN
from .results_folder import Results, image_file, mean_of, read_results

KINDS = ("input", "truth", "prediction")
FACTS = ("method", "item", "view", "group", "gap_deg", "face_found", "seconds")


def log_report(run: Any, output: Path) -> None:
    """Logs what `write_report` wrote.

    Args:
        run: of wandb, from `wandb.init` or Lightning's logger; may be offline.
        output: of `trilift evaluate`.

    Raises:
        ValueError: wandb isn't installed, or the folder isn't the output of an evaluation.
    """
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise ValueError("logger=wandb needs wandb: pip install 'trilift[wandb]'") from error
    results = read_results(output)
    means = _means(results)
    images = [_image_row(results, row, wandb.Image) for row in results.rows]
    page = wandb.Html((output / "index.html").read_text(encoding="utf-8"), inject=False)
    suite = results.summary["suite"]
    logged = {
        "scores": wandb.Table(columns=["method", "metric", *MEAN], data=means),
        "pictures": wandb.Table(columns=[*FACTS, *results.metrics, *KINDS], data=images),
        "report": page,
    }
    run.log({f"evaluation/{suite}/{name}": value for name, value in logged.items()})
    run.summary.update({f"{suite}/{method}/{metric}": mean for method, metric, mean, *_ in means})


def _means(results: Results) -> list[list[Any]]:
    """A row for each method and metric, over all images."""
    return [
        [method, metric, *(mean.get(key) for key in MEAN)]
        for method in results.methods
        for metric in results.metrics
        if (mean := mean_of(results.means(method), metric)) is not None
    ]


def _image_row(results: Results, row: dict[str, Any], image: Any) -> list[Any]:
    values = [row.get(name) for name in (*FACTS, *results.metrics)]
    files = [image_file(row, kind) for kind in KINDS]
    return [*values, *(None if path is None else image(str(path)) for path in files)]
