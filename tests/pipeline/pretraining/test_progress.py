"""What a teacher's training shows and keeps, and when it stops."""

import csv
import json
import logging
import math
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import LightningModule, Trainer
from PIL import Image

from pipeline.evaluation.metrics.frechet import FrechetScores
from pipeline.pretraining.gan import TeacherGAN
from pipeline.pretraining.pace import Pace
from pipeline.pretraining.progress import TeacherProgress
from pipeline.pretraining.stopping import StopWhenSeen
from pipeline.pretraining.teacher_views import draw_images, teacher_sheet, view_scores
from pipeline.runs.slice_timer import SliceTimer
from pipeline.runs.stopwatch import Stopwatch
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings

TINY = smallest_eg3d_settings(8, feature_channels=3, density_gain=30.0)


@pytest.fixture(scope="module")
def teacher() -> EG3DTeacher:
    return untrained_teacher(TINY)


def cameras(count: int = 5) -> Camera:
    return Camera.orbit(torch.linspace(-0.5, 0.5, count), torch.zeros(count))


def fake_module(teacher: EG3DTeacher, seen: int) -> TeacherGAN:
    """As much of a training as the callbacks look at."""
    module = TeacherGAN.__new__(TeacherGAN)
    LightningModule.__init__(module)
    module.config, module.average, module.seen, module.steps = (
        teacher.configuration,
        teacher.generator,
        seen,
        seen,
    )
    module.discriminator = None
    module.photographs = SimpleNamespace(cameras=cameras())
    module.schedule = SimpleNamespace(total_images=100)
    return module


def fake_trainer() -> Mock:
    return Mock(
        spec=Trainer, is_global_zero=True, loggers=[], callback_metrics={}, should_stop=False
    )


def fake_frechet() -> Mock:
    return Mock(
        spec=FrechetScores,
        floor={"pixels": 0.5},
        side_effect=lambda images: {"pixels": float(len(images)), "network": 1.0},
    )


def progress(folder, every_images: int = 10) -> TeacherProgress:
    return TeacherProgress(
        folder,
        every_images=every_images,
        drawing={"depth_samples": 8},
        frechet=fake_frechet,
        scored=6,
        name="tiny",
        licence="none",
    )


def test_images_are_drawn_at_cameras_of_the_data_the_same_every_time(teacher):
    first, again = (draw_images(teacher, cameras(), 6) for _ in range(2))
    assert first.shape == (6, 3, 8, 8)
    assert torch.equal(first, again)
    assert first.abs().max() <= 1


def test_a_sheet_has_a_row_for_each_identity_and_seven_columns(teacher):
    sheet = teacher_sheet(teacher, identities=2)
    _, height, width = sheet.shape
    assert 3 < width / height < 4


def test_view_scores_are_plain_numbers(teacher):
    assert set(view_scores(teacher, identities=2)) == {"view_error", "view_still", "view_agreeing"}


def test_a_report_writes_scores_a_sheet_and_a_teacher_that_can_be_read(teacher, tmp_path):
    callback, module = progress(tmp_path), fake_module(teacher, 2000)
    callback.on_train_start(fake_trainer(), fake_module(teacher, 0))
    callback.on_train_batch_end(fake_trainer(), module, None, None, 0)
    (row,) = csv.DictReader((tmp_path / "scores.csv").open())
    assert (row["images"], row["pixels"], row["pixels_floor"]) == ("2000.0", "6.0", "0.5")
    assert Image.open(tmp_path / "sheets" / "00002k.png").size[0] > 50
    shipped = load_teacher(tmp_path / "teacher")
    assert shipped.passport.name == "tiny"
    assert shipped.configuration.depth_samples == 8
    assert all(
        torch.equal(value, teacher.generator.state_dict()[name])
        for name, value in shipped.generator.state_dict().items()
    )


def test_reports_come_at_multiples_and_at_the_end_but_never_twice_for_the_same_images(
    teacher, tmp_path
):
    callback = progress(tmp_path)
    reported: list[int] = []
    callback._report = lambda trainer, module: (
        reported.append(module.seen) or setattr(callback, "_scored_at", module.seen)
    )
    callback.on_train_start(fake_trainer(), fake_module(teacher, 0))
    for seen in (4, 8, 12, 16, 20):
        callback.on_train_batch_end(fake_trainer(), fake_module(teacher, seen), None, None, 0)
    callback.on_train_end(fake_trainer(), fake_module(teacher, 20))
    assert reported == [12, 20]
    callback.on_train_end(fake_trainer(), fake_module(teacher, 24))
    assert reported == [12, 20, 24]


def test_a_resumed_run_reports_at_the_next_multiple(teacher, tmp_path):
    (tmp_path / "teacher").mkdir()
    callback = progress(tmp_path)
    reported: list[int] = []
    callback._report = lambda trainer, module: reported.append(module.seen)
    callback.on_train_start(fake_trainer(), fake_module(teacher, 16))
    callback.on_train_batch_end(fake_trainer(), fake_module(teacher, 19), None, None, 0)
    assert reported == []
    callback.on_train_batch_end(fake_trainer(), fake_module(teacher, 20), None, None, 0)
    assert reported == [20]


def test_a_run_that_was_killed_while_its_last_teacher_was_scored_scores_it(teacher, tmp_path):
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "scores.json").write_text('{"images": 16}')
    callback = progress(tmp_path)
    reported: list[int] = []
    callback._report = lambda trainer, module: reported.append(module.seen)
    callback.on_train_start(fake_trainer(), fake_module(teacher, 18))
    callback.on_train_end(fake_trainer(), fake_module(teacher, 18))
    assert reported == [18]


def test_the_best_teacher_is_kept_when_the_training_collapses(teacher, tmp_path, caplog):
    distances = iter([0.3, 0.2, 0.5, 0.7])
    callback = progress(tmp_path)
    callback._make_frechet = lambda: Mock(
        spec=FrechetScores, floor={}, side_effect=lambda images: {"network": next(distances)}
    )
    with caplog.at_level(logging.WARNING):
        for seen in (10, 20, 30, 40):
            callback.on_train_batch_end(fake_trainer(), fake_module(teacher, seen), None, None, 0)
    assert [
        json.loads((tmp_path / kept / "scores.json").read_text())["images"]
        for kept in ("best", "teacher")
    ] == [20, 40]
    assert load_teacher(tmp_path / "best").passport.kind == "eg3d"
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "40 images" in warning and "3.5 times" in warning and "best" in warning


def test_a_teacher_without_finite_images_is_never_the_best(teacher, tmp_path, caplog):
    distances = iter([0.3, math.inf, 0.2])
    callback = progress(tmp_path)
    callback._make_frechet = lambda: Mock(
        spec=FrechetScores, floor={}, side_effect=lambda images: {"network": next(distances)}
    )
    kept = []
    with caplog.at_level(logging.WARNING):
        for seen in (10, 20, 30):
            callback.on_train_batch_end(fake_trainer(), fake_module(teacher, seen), None, None, 0)
            kept.append(json.loads((tmp_path / "best" / "scores.json").read_text())["images"])
    assert kept == [10, 10, 30]
    assert "inf times that of the best" in caplog.text


def test_training_stops_when_its_images_have_been_seen_and_does_not_start_again(teacher):
    trainer = fake_trainer()
    callback = StopWhenSeen()
    callback.on_train_batch_end(trainer, fake_module(teacher, 99), None, None, 0)
    assert not trainer.should_stop
    callback.on_train_batch_end(trainer, fake_module(teacher, 100), None, None, 0)
    assert trainer.should_stop
    callback.on_train_start(trainer, fake_module(teacher, 50))
    assert not trainer.should_stop
    callback.on_train_start(trainer, fake_module(teacher, 100))
    assert trainer.should_stop


def test_every_slice_has_the_whole_time():
    timer = SliceTimer(timedelta(minutes=3))
    assert timer.time_remaining() == 180
    timer.load_state_dict({"time_elapsed": {"train": 170.0}})
    assert timer.time_remaining() == 180
    assert timer.state_dict() == {}


def test_the_pace_is_logged_in_images_per_second_of_training_steps(teacher, caplog, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("pipeline.runs.stopwatch.time.perf_counter", lambda: now[0])
    pace, trainer = Pace(seconds=0.0), fake_trainer()
    trainer.datamodule = SimpleNamespace(stopwatch=Stopwatch())
    trainer.callback_metrics = {"real_logit": torch.tensor(0.5), "r1": torch.tensor(2.0)}
    with caplog.at_level(logging.INFO):
        pace.on_train_start(trainer, fake_module(teacher, 0))
        now[0] += 60  # scores before the first step
        pace.on_train_batch_start(trainer, fake_module(teacher, 0), None, 0)
        now[0] += 4
        pace.on_train_batch_end(trainer, fake_module(teacher, 40), None, None, 0)
    assert "40 of 100 images, 10.0/s" in caplog.text
    assert "real_logit 0.50" in caplog.text
    assert "r1" not in caplog.text
