"""What isn't finite never reaches the weights, is traced to an identity, and can be shown again."""

import csv
import json

import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.verbs import generate


def left_out(run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "nonfinite.jsonl").read_text().splitlines()]


def weights(run) -> dict[str, torch.Tensor]:
    return run.state["state_dict"]


def assert_untouched(before: dict, after: dict) -> None:
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_step_that_is_not_finite_updates_nothing_and_its_sample_is_named(new_run):
    run = new_run("run").finish("trainer.max_steps=1")
    before = run.state
    run.finish("trainer.max_steps=2", POISON="3")
    assert_untouched(before["state_dict"], weights(run))
    moments = [state["optimizer_states"][0]["state"][0] for state in (before, run.state)]
    assert torch.equal(moments[0]["exp_avg"], moments[1]["exp_avg"])
    [event] = left_out(run)
    assert (event["step"], event["samples"], list(event["offending"])) == (1, [2, 3], ["3"])
    assert event["offending"]["3"]["image/novel"] == "nan"
    assert run.finish("trainer.max_steps=3", POISON="3").step == 3
    assert any(
        not torch.equal(value, weights(run)[name]) for name, value in before["state_dict"].items()
    )


def test_too_many_such_steps_end_the_run_with_a_state_and_a_sentence(new_run):
    run = new_run("run").finish("trainer.max_steps=1")
    process = run.start(
        "trainer.max_steps=50",
        "callbacks.guard.most=3",
        "callbacks.guard.within=5",
        POISON="2,4,5,8",
    )
    assert run.wait(process) == 1
    assert (run.step, run.status["status"]) == (5, "failed")
    assert "3 of the last 5 steps (now 4) were skipped" in run.status["reason"]
    assert [event["step"] for event in left_out(run)] == [1, 2, 4]
    assert list(left_out(run)[1]["offending"]) == ["4", "5"]


def test_one_process_with_a_bad_sample_makes_both_leave_the_step_out(new_run, free_port):
    settings = ["batch_size=4", "calibration_samples=0"]
    run = new_run("run").finish(*settings, "trainer.max_steps=1")
    before = weights(run)
    assert run.together(*settings, "trainer.max_steps=2", port=free_port, POISON="7") == [0, 0], (
        run.log
    )
    assert_untouched(before, weights(run))
    [event] = left_out(run)
    assert (event["samples"], list(event["offending"])) == ([4, 5, 6, 7], ["7"])


@pytest.mark.parametrize("data", ["live", "latent_shards"])
def test_a_replayed_sample_has_the_loss_that_training_has_of_it(new_run, tmp_path, data):
    source = [f"data={data}"]
    if data != "live":  # of another seed than the run's, and with another runtime setting
        source += [f"data.path={tmp_path / 'shards'}", "sampler.identity_cache.memory_gb=2"]
        shards = [f"output={tmp_path / 'shards'}", "shards.size=4", "count=4", "seed=5"]
        generate.main(
            compose("generate", "teacher=untrained_tiny", *shards, "threads=1", "device=cpu")
        )
    settings = [
        *source,
        "batch_size=1",
        "plan.stages.reconstruction.reference_every=1",
        "trainer.log_every=1",
        "loss=[triplane,image]",
    ]
    run = new_run("run").finish(*settings, "trainer.max_steps=2")
    assert run.wait(run.start("replay=2")) == 0, run.log  # without the settings: the run knows them
    shown = dict(line.split()[:2] for line in run.log.splitlines() if line.startswith("  "))
    [sheet] = (run.folder / "replay").glob("sample-2-last-*.png")
    assert Image.open(sheet).size[0] > Image.open(sheet).size[1] > 0
    run.finish(*settings, "trainer.max_steps=3")
    [metrics] = (run.folder / "metrics" / "version_1").glob("metrics.csv")
    [logged] = [
        float(row["train/loss"]) for row in csv.DictReader(metrics.open()) if row.get("train/loss")
    ]
    assert abs(float(shown["loss"]) - logged) < 1e-5 * logged
    assert {"triplane", "image/novel", "image/reference"} <= shown.keys()


def test_a_replay_without_a_run_or_with_an_unknown_student_is_refused(new_run):
    run = new_run("run")
    assert run.wait(run.start("replay=2")) == 1
    assert "there is no run at" in run.log
    run.finish("trainer.max_steps=1")
    assert run.wait(run.start("replay=2", "replay_student=newest")) == 1
    assert "give one of last, best" in run.log
