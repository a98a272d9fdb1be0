import json
from pathlib import Path

import pytest

from pipeline.sweeps.cell import Cell, CellRecord, cell_name, fingerprint

CONFIG = {
    "seed": 1,
    "name": "a",
    "paths": {"run": "x"},
    "trainer": {"threads": 1, "max_steps": 5},
    "loss": {"image": {"weight": 1.0}},
}


def cell(folder: Path, batch_size: int = 4) -> Cell:
    configuration = {"seed": 1, "batch_size": batch_size}
    return Cell("distill", ("seed=1",), (("seed", "1"),), folder / "seed-1", configuration)


def written(state: str, folder: Path) -> CellRecord:
    return CellRecord(state, cell(folder).fingerprint, ["seed=1"])


@pytest.mark.parametrize(
    ("varied", "name"),
    [
        ([("student", "tiny"), ("seed", "1")], "student-tiny__seed-1"),
        ([("optimizer.learning_rate", "1e-4")], "optimizer.learning_rate-1e-4"),
    ],
)
def test_a_cell_is_called_what_varies_in_it(varied, name):
    assert cell_name(varied) == name


@pytest.mark.parametrize("value", ["[8,8]", "a/b", "x=y", "z" * 200, "größe"])
def test_names_are_short_safe_and_different(value):
    names = {cell_name([("student.dim", value)]), cell_name([("student.dim", f"{value}!")])}
    assert len(names) == 2 and all(
        len(name) < 150 and not set(name) & set("=/,[] ") for name in names
    )


def test_what_does_not_change_a_result_does_not_change_the_fingerprint():
    same = {
        **CONFIG,
        "name": "b",
        "paths": {"run": "y"},
        "trainer": {"threads": 8, "max_steps": 5},
        "logger": {"wandb": {}},
    }
    runtime = ("name", "paths", "logger", "trainer.threads")
    now = fingerprint(CONFIG, runtime)
    assert fingerprint(same, runtime) == now
    assert fingerprint({**CONFIG, "trainer": {"threads": 1, "max_steps": 6}}, runtime) != now
    assert fingerprint({**CONFIG, "loss": {"image": {"weight": 0.5}}}, runtime) != now


def test_a_cell_is_finished_only_with_the_configuration_that_it_has_now(tmp_path):
    assert cell(tmp_path).state == "new"
    cell(tmp_path).write(written("finished", tmp_path))
    assert cell(tmp_path).state == "finished"
    assert cell(tmp_path, batch_size=8).state == "interrupted"


def test_a_finished_cell_of_an_earlier_version_is_known_by_its_run(tmp_path):
    old = cell(tmp_path)
    old.write(CellRecord("finished", "of former names", ["seed=1"]))
    assert old.state == "interrupted"
    (old.folder / "config.json").write_text(json.dumps(old.configuration))
    assert old.state == "finished" and cell(tmp_path, batch_size=8).state == "interrupted"


def test_a_cell_runs_only_while_a_process_holds_it(tmp_path):
    cell(tmp_path).write(written("running", tmp_path))
    assert cell(tmp_path).state == "interrupted"
    with cell(tmp_path).held() as lock:
        assert lock is not None and cell(tmp_path).state == "running"
        with cell(tmp_path).held() as second:
            assert second is None
    assert cell(tmp_path).state == "interrupted"


def test_a_damaged_record_is_named_with_what_to_do(tmp_path):
    cell(tmp_path).folder.mkdir()
    (cell(tmp_path).folder / "cell.json").write_text("{")
    with pytest.raises(
        ValueError,
        match=r"seed-1/cell.json isn't JSON .*remove the file to run the cell again",
    ):
        _ = cell(tmp_path).state
