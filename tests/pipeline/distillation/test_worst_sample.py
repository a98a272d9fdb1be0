"""The worst sample of an interval, and what else is logged and shown of a short run."""

import csv

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.distillation.worst_sample import WorstSample
from pipeline.runs.loggers import wandb_logger
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs.distill import distill
from tests.builders import STUDENT_SETTINGS

SMALL_RUN = [
    "teacher=untrained_tiny", "loss=[triplane,image]", "batch_size=4", "calibration_samples=0",
    "trainer.log_every=1", "callbacks.validation.samples=1", "callbacks.preview.identities=1",
    "callbacks.preview.views_deg=[]", "logger=tensorboard",
    *STUDENT_SETTINGS,
]  # fmt: skip


@pytest.fixture
def identities():
    from pipeline.build.configuration import instantiate, to_plain
    from pipeline.build.sampler import build_sampler

    config = compose("distill", *SMALL_RUN)
    return build_sampler(to_plain(config), instantiate(config.teacher))([5, 6, 7])


def test_the_worst_of_several_steps_is_kept_and_broken_numbers_are_left_to_the_guard(identities):
    worst, seen = WorstSample(), identities.novel.rendering
    errors = torch.tensor([0.25, 0.5, torch.nan])
    off = type(seen)(
        seen.image + errors[:, None, None, None],
        seen.image_raw,
        seen.feature_image,
        seen.depth,
        seen.opacity,
    )
    worst.update(identities, identities.triplane, {"novel": off})
    worst.update(identities, identities.triplane, {"novel": seen})
    assert worst.sample.samples.tolist() == [6] and worst.difference == pytest.approx(0.5)
    assert torch.equal(worst.sample.novel.rendering.image, seen.image[1:2])
    assert worst.sample.image.untyped_storage().nbytes() == identities.image[:1].numel() * 4
    worst.reset()
    planes = type(identities.triplane)(
        identities.triplane.planes + torch.tensor([1.0, 0.0, 0.0])[:, None, None, None, None]
    )
    worst.update(identities, planes, {})
    assert worst.sample.samples.tolist() == [5]


def test_a_run_logs_stage_rates_gradients_and_memory_and_shows_its_worst_sample(tmp_path, caplog):
    caplog.set_level("INFO", logger="pipeline.distillation.previews")
    config = compose("distill", *SMALL_RUN, f"paths.run={tmp_path}", "trainer.max_steps=2")
    distill(config, RunFolder(tmp_path))
    with (tmp_path / "metrics" / "version_0" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    last = rows[-1]
    assert float(last["rate/others"]) == pytest.approx(1e-4) and float(
        last["rate/transformers"]
    ) == pytest.approx(5e-5)
    parts = [float(last[f"gradient/{name}"]) for name in ("others", "transformers")]
    assert sum(norm**2 for norm in parts) ** 0.5 == pytest.approx(
        float(last["train/gradient_norm"]), rel=1e-3
    )
    assert float(last["plan/stage"]) == 0 and float(last["memory/process_gib"]) > 0.1
    assert {
        "train/image/novel",
        "train/triplane",
        "speed/samples_per_second",
        "speed/teacher_share",
    } <= last.keys()
    [message] = [
        record.message for record in caplog.records if "step 2: the worst sample" in record.message
    ]
    assert 0 <= int(message.split(" is ")[1].split()[0]) < 8
    [events] = (tmp_path / "tensorboard").glob("events.*")
    assert b"preview" in events.read_bytes() and b"train/image/novel" in events.read_bytes()


def test_speeds_are_those_of_training_steps_and_never_negative(tmp_path):
    settings = ["trainer.max_steps=3", "callbacks.validation.every_steps=1", "logger=csv"]
    distill(compose("distill", *SMALL_RUN, f"paths.run={tmp_path}", *settings), RunFolder(tmp_path))
    with (tmp_path / "metrics" / "version_0" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["speed/samples_per_second"]]
    assert len(rows) == 3
    assert all(float(row["speed/samples_per_second"]) > 0 for row in rows)
    assert all(0 < float(row["speed/teacher_share"]) < 1 for row in rows)


def test_wandb_goes_on_with_the_run_of_a_folder_and_groups_the_cells_of_a_sweep(tmp_path):
    pytest.importorskip("wandb")
    folder = tmp_path / "sweep" / "cell"
    folder.mkdir(parents=True)
    first = wandb_logger(folder=str(folder), project="trilift", name="a", offline=True)
    (folder / "cell.json").write_text("{}")
    again = wandb_logger(folder=str(folder), project="trilift", name="a", offline=True)
    other = wandb_logger(folder=str(tmp_path / "other"), project="trilift", name="a", offline=True)
    assert first.version == again.version == (folder / "wandb_id").read_text() != other.version
    assert (
        first._wandb_init["resume"],
        first._wandb_init["group"],
        again._wandb_init["group"],
    ) == ("allow", None, "sweep")
