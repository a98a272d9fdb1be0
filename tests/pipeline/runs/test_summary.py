"""summary.json records what ran from the start on, and keeps the scores of a resumed run."""

import json
import math

import pytest

from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.summary import Summary, recorded_command


def read(run: RunFolder) -> dict:
    return json.loads((run.path / "summary.json").read_text())


def test_a_summary_exists_from_the_start_and_ends_with_the_status_of_the_attempt(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        with (
            Summary(
                run, verb="distill", configuration={"seed": 3}, numerics={"device": "cpu"}
            ) as summary,
            Attempt(run) as attempt,
        ):
            begun = read(run)
            summary.update(
                passport={"name": "toy"},
                scores={"validation/loss": 0.5, "validation/best": math.inf},
            )
            attempt.reached(4, 4)
        ended = read(run)
    assert (begun["status"], begun["verb"], begun["configuration"], begun["scores"]) == (
        "running",
        "distill",
        {"seed": 3},
        {},
    )
    assert set(begun["environment"]) == {"python", "hardware", "packages", "numerics"}
    assert begun["environment"]["numerics"] == {"device": "cpu"}
    assert "torch" in begun["environment"]["packages"] and isinstance(begun["dirty"], bool)
    assert (ended["status"], ended["passport"]) == ("finished", {"name": "toy"})
    assert ended["scores"] == {"validation/loss": 0.5, "validation/best": None}
    assert [path.name for path in run.path.glob("*~*")] == []


def test_a_resumed_run_counts_its_attempts_and_keeps_its_scores_and_a_failure_is_recorded(
    tmp_path,
):
    with RunFolder(tmp_path / "run") as run:
        with Summary(run, verb="distill", configuration={}) as summary:
            summary.update(scores={"validation/loss": 0.5})
        with (
            pytest.raises(RuntimeError),
            Summary(run, verb="distill", configuration={}),
            Attempt(run),
        ):
            raise RuntimeError("out of memory")
        again = read(run)
    assert (again["status"], again["attempts"], again["scores"]) == (
        "failed",
        2,
        {"validation/loss": 0.5},
    )


def test_a_recorded_command_is_told_without_the_places_of_its_files(tmp_path, monkeypatch):
    assert recorded_command(tmp_path) is None
    words = ["trilift", "experiment=laptop", "data.path=/home/me/a.zip", "loss=[image, depth]"]
    monkeypatch.setattr("sys.argv", [*words, "paths.run=/home/me/run"])
    with RunFolder(tmp_path / "run") as run, Summary(run, verb="pretrain", configuration={}):
        pass
    assert recorded_command(run.path) == "trilift pretrain experiment=laptop 'loss=[image, depth]'"
