"""The table of ablations says what their runs show, and of which arms nothing is known."""

import json

import pytest
from omegaconf import OmegaConf

from pipeline.build.configuration import configuration_folder
from pipeline.evaluation.results import RESULTS_SCHEMA
from pipeline.sweeps import ablations
from pipeline.sweeps.ablations import CLAIMS, REFERENCE, TITLES, report, scores_of
from pipeline.sweeps.cell import Cell, CellRecord

SEEDS = ("0", "1", "2")


def scored(*values: float) -> dict[str, float]:
    return dict(zip(SEEDS, values, strict=False))


@pytest.fixture
def scores() -> dict[str, dict[str, dict[str, float]]]:
    return {
        REFERENCE: {
            "psnr_foreground": scored(15.0, 15.2, 14.9),
            "lpips": scored(0.30, 0.31, 0.29),
            "invariance_planes": scored(0.5, 0.52, 0.49),
        },
        "ablation_no_augmentation": {"invariance_planes": scored(0.7, 0.73, 0.70)},
        "ablation_no_transformer": {
            "psnr_foreground": scored(15.5, 15.7, 15.4),
            "lpips": scored(0.2, 0.4, 0.3),
        },
    }


def test_every_claim_has_its_verdict(scores):
    lines = {line.split(" | ")[0].strip("| "): line for line in report(scores).splitlines()[:6]}
    assert "+0.207 (+0.192 … +0.221) | 3 | **confirmed**" in lines["no augmentation"]
    text = report(scores)
    assert "PSNR (foreground), dB ↑ | +0.50 (+0.50 … +0.50) | 3 | **contradicted**" in text
    (line,) = [line for line in text.splitlines() if ".5419" in line]
    assert line.endswith("| 3 | **not resolved** |")
    (line,) = [line for line in text.splitlines() if "FID 7.71" in line]
    assert line.endswith("| – | 0 | **not measured** |")


def test_every_arm_has_a_line_with_invariance_beside_the_pictures_scores(scores):
    rows = [line for line in report(scores).splitlines() if line.startswith("| no transformer")]
    assert rows[-1].count("|") == len(TITLES) + 2 and "15.53 (15." in rows[-1]


def test_the_claims_are_about_arms_of_the_sweep():
    sweep = OmegaConf.load(configuration_folder() / "sweep" / "ablations.yaml")
    arms = sweep.hydra.sweeper.params.experiment.strip().split(",")
    assert {claim.arm for claim in CLAIMS} | {REFERENCE} == set(arms)


def test_an_evaluation_gives_scores_of_images_and_of_invariance(tmp_path):
    rows = [
        ["student", name, 0.1 * n, 0.2, 20.0] for n, name in enumerate(ablations.CAMERA_CHANGES)
    ]
    columns = ["method", "input", "planes (share)", "front (share)", "front PSNR, dB"]
    rows += [["student", "flip", 9.0, 9.0, 1.0]]
    results = {
        "schema": RESULTS_SCHEMA, "suite": "teacher", "run": {},
        "methods": {"student": {"title": "student"}},
        "metrics": {"ssim": {"title": "SSIM", "unit": "", "more_is_better": True, "is": "",
                             "digits": 3}},
        "scores": {"student": {"all": {"ssim": {"mean": 0.7}, "lpips": None}}},
        "extras": {"invariance": {"title": "", "notes": [],
                                  "table": {"columns": columns, "rows": rows}}},
    }  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert scores_of(tmp_path) == {
        "ssim": 0.7,
        "invariance_planes": pytest.approx(0.2),
        "invariance_front": pytest.approx(0.2),
    }
    assert scores_of(tmp_path / "absent") == {}


def test_finished_cells_are_found_by_what_varies(tmp_path):
    for name, state in (("a", "finished"), ("b", "interrupted")):
        cell = Cell("distill", (), (), tmp_path / name, {})
        settings = ["sweep=ablations", f"experiment={REFERENCE}", "seed=2"]
        cell.write(CellRecord(state, "", settings))
    assert ablations.finished_cells(tmp_path) == [(tmp_path / "a", REFERENCE, "2")]
