"""The table of ablations says what their runs show, and of which arms nothing is known."""

import json
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, configuration_folder, free_keys, to_plain
from pipeline.evaluation.results import RESULTS_SCHEMA
from pipeline.runs.files import sha256_of_file
from pipeline.runs.markers import KEPT, RUNTIME
from pipeline.runs.run_folder import RunFolder
from pipeline.sweeps import ablations
from pipeline.sweeps.ablations import CLAIMS, REFERENCE, TITLES, report, scores_of
from pipeline.sweeps.cell import Cell, CellRecord
from pipeline.sweeps.comparable import FREE

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


def finished(folder: Path, *settings: str, arm: str = REFERENCE) -> Path:
    """A finished cell with a student."""
    Cell("distill", (), (), folder, {}).write(
        CellRecord("finished", "", ["sweep=ablations", f"experiment={arm}", *settings])
    )
    (folder / "student.safetensors").write_bytes(b"present student")
    return folder


def begin(cell: Path, student: str | None = None, identities: int = 32) -> Path:
    """An evaluation that was interrupted; of the cell's student, or that of a hash."""
    begun = {
        "checkpoint_sha256": student or sha256_of_file(cell / "student.safetensors"),
        "identities": identities,
    }
    (cell / "evaluation" / "lines").mkdir(parents=True)
    (cell / "evaluation" / "config.json").write_text(json.dumps(begun))
    return cell / "evaluation"


def end(evaluation: Path) -> Path:
    """The same, finished."""
    begun = json.loads((evaluation / "config.json").read_text())
    results = {
        "schema": RESULTS_SCHEMA, "suite": "teacher", "run": {},
        "methods": {"student": {"title": "student"}},
        "metrics": {}, "checkpoint": {"sha256": begun["checkpoint_sha256"]},
        "settings": {"identities": begun["identities"]},
        "scores": {"student": {"all": {"psnr_foreground": {"mean": 15.0}}}},
    }  # fmt: skip
    (evaluation / "results.json").write_text(json.dumps(results))
    return evaluation


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The command; an evaluation only leaves `evaluated`, with its settings, in the cell."""

    def stand_in(verb: str, settings: list[str]) -> list[str]:
        (checkpoint,) = (each for each in settings if each.startswith("checkpoint="))
        file = Path(checkpoint.partition("=")[2]).with_name("evaluated")
        return [sys.executable, "-Sc", f"open({str(file)!r}, 'w').write({verb!r})"]

    def main(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["ablations", str(tmp_path), *arguments])
        ablations.main()

    monkeypatch.setattr(ablations, "verb_command", stand_in)
    return main


def test_two_cells_of_one_arm_and_seed_are_refused_before_anything_is_evaluated(tmp_path, run):
    first = finished(tmp_path / "a", "seed=0", "optimizer.learning_rate=1e-3")
    second = finished(tmp_path / "b", "optimizer.learning_rate=1e-4")
    finished(tmp_path / "c", "seed=1")
    with pytest.raises(SystemExit, match=rf"{first} and {second} are both {REFERENCE} with seed 0"):
        run()
    assert not list(tmp_path.glob("*/evaluated"))
    assert not (tmp_path / "ablations.md").exists()


def trained(folder: Path, arm: str, seed: int, *settings: str) -> Path:
    """A finished cell of a bundled experiment, as it is recorded."""
    given = [f"experiment={arm}", f"seed={seed}", f"paths.run={folder}", *settings]
    finished(folder, f"seed={seed}", f"paths.run={folder}", *settings, arm=arm)
    RunFolder(folder).record(to_plain(compose("distill", *given)))
    return folder


def test_cells_of_other_settings_are_refused_by_name(tmp_path, run):
    first = trained(tmp_path / "a", REFERENCE, 0)
    trained(tmp_path / "b", "ablation_triplane_only", 0)
    trained(tmp_path / "c", REFERENCE, 1, "trainer.threads=1", "paths.weights=elsewhere")
    run("--only-table")
    (tmp_path / "ablations.md").unlink()
    other = trained(tmp_path / "d", REFERENCE, 2, "trainer.max_steps=200", "trainer.threads=2")
    with pytest.raises(SystemExit) as refused:
        run()
    lines = str(refused.value).splitlines()
    assert lines[1] == f"{first} → {other}:" and "  trainer.max_steps: 800 → 200" in lines
    assert {line.partition(":")[0] for line in lines[2:-1]} == {
        "  trainer.max_steps",
        "  optimizer.total_steps",
    }
    assert not list(tmp_path.glob("*/evaluated"))
    assert not (tmp_path / "ablations.md").exists()


def test_experiments_explain_only_what_no_command_gave(tmp_path, run):
    steps = "plan.stages.reconstruction.steps=500"
    trained(tmp_path / "a", REFERENCE, 0, steps, "batch_size=4")
    trained(tmp_path / "b", "ablation_triplane_only", 0, "batch_size=4")  # it has no such stage
    trained(tmp_path / "c", "ablation_100_identities", 0, steps, "batch_size=4")
    run("--only-table")
    trained(tmp_path / "d", "ablation_no_transformer", 0, steps)
    with pytest.raises(SystemExit, match=r"a → \S*d:\n  batch_size: 4 → 8\n"):
        run("--only-table")


def test_what_is_free_to_differ_is_what_the_configuration_marks():
    marked = {
        key
        for arm in {REFERENCE, *(claim.arm for claim in CLAIMS)}
        for key in free_keys(compose("distill", f"experiment={arm}"), RUNTIME, KEPT)
    }
    assert set(FREE) == marked


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"student": "0123456789abcdef"}, "of student 0123456789ab on 32 identities, the table"),
        ({"identities": 2}, "on 2 identities, the table needs student .* on 32 identities"),
    ],
)
def test_scores_of_another_student_or_of_other_identities_enter_no_table(tmp_path, run, of, says):
    end(begin(finished(tmp_path / "a", "seed=0")))
    other = finished(tmp_path / "b", "seed=1")
    end(begin(other, **of))
    with pytest.raises(SystemExit, match=rf"{other}/evaluation has scores .*{says}"):
        run("--only-table")
    assert not (tmp_path / "ablations.md").exists()


def test_a_table_takes_scores_of_the_students_and_cells_without_scores(tmp_path, run, capsys):
    end(begin(finished(tmp_path / "a", "seed=0")))
    begin(finished(tmp_path / "b", "seed=1"), identities=2)
    finished(tmp_path / "c", "seed=2")
    run("--only-table")
    assert "| reference | 15.00 |" in capsys.readouterr().out
    assert not list(tmp_path.glob("*/evaluated"))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("of", [{"student": "0123456789abcdef"}, {"identities": 2}])
def test_an_evaluation_of_something_else_is_begun_again(tmp_path, run, of, ended):
    cell = finished(tmp_path / "a")
    evaluation = begin(cell, **of)
    if ended:
        end(evaluation)
    run()
    assert (cell / "evaluated").exists() and not evaluation.exists()


def test_an_interrupted_evaluation_of_the_same_is_continued_and_a_finished_one_kept(tmp_path, run):
    evaluation = begin(finished(tmp_path / "a"))
    run()
    assert (tmp_path / "a" / "evaluated").exists() and (evaluation / "lines").exists()
    end(begin(finished(tmp_path / "b", "seed=1")))
    run()
    assert not (tmp_path / "b" / "evaluated").exists()


def test_an_evaluation_that_another_process_runs_is_not_removed(tmp_path, run):
    evaluation = begin(finished(tmp_path / "a"), identities=2)
    with RunFolder(evaluation):
        run()  # the verb would refuse the folder
    assert (evaluation / "config.json").exists()


def test_a_finished_cell_without_its_student_is_named(tmp_path, run):
    cell = finished(tmp_path / "a")
    end(begin(cell))
    (cell / "student.safetensors").unlink()
    for more in ([], ["--only-table"]):
        with pytest.raises(SystemExit, match=r"a/student.safetensors is missing"):
            run(*more)
    assert (cell / "evaluation" / "results.json").exists()
