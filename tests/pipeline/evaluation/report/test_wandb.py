import json

import pytest

from pipeline.evaluation.report.page import write_report
from pipeline.evaluation.report.wandb import log_report
from tests.pipeline.evaluation.toy_results import write_results


def test_tables_pictures_and_the_page_go_to_wandb_without_a_network(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "staged"))
    folder = write_results(tmp_path / "evaluation", items=2, views=2)
    write_report(folder)
    run = wandb.init(mode="offline", dir=str(tmp_path), project="trilift", name="test")
    log_report(run, folder)
    summary = dict(run.summary)
    run.finish()
    mean = json.loads((folder / "results.json").read_text())["scores"]["student"]["all"]["psnr"][
        "mean"
    ]
    assert summary["puppets/student/psnr"] == pytest.approx(mean)
    kept = [path for path in (tmp_path / "wandb").rglob("*") if path.is_file()]
    pictures = next(
        json.loads(path.read_text())
        for path in kept
        if path.name.endswith(".table.json") and "pictures" in path.name
    )
    assert len(pictures["data"]) == 2 * 2 * 3
    assert {"method", "psnr", "input", "truth", "prediction"} <= set(pictures["columns"])
    staged = [path.read_bytes()[:4] for path in (tmp_path / "staged").rglob("*") if path.is_file()]
    assert b"\x89PNG" in staged
    assert any(path.suffix == ".html" for path in kept)
