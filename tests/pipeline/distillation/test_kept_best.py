"""What is trained beside a student is scored, and the best is kept."""

import math
from pathlib import Path
from unittest.mock import Mock

import pytest
from lightning import LightningModule, Trainer

from pipeline.distillation.kept_best import KeptBest

TRAINER = Mock(spec=Trainer, max_steps=100, is_global_zero=True, loggers=[], callbacks=[])


class Named:
    """A network whose file holds its step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def save(self, path: Path) -> None:
        path.write_text(str(self.step))


class Scores(KeptBest):
    judged_by = "psnr"

    def scores(self, module):
        return {"psnr": module.psnr}


@pytest.fixture
def scores(tmp_path):
    return Scores(count=1, path=tmp_path / "best", every_steps=5)


def update(scores, step: int, psnr: float) -> Mock:
    module = Mock(spec=LightningModule, step=step, psnr=psnr, result=Named(step))
    scores.on_train_batch_end(TRAINER, module, None, None, 0)
    return module


def test_the_best_is_kept_and_the_last_remembered(scores):
    for step, psnr in ((5, 20.0), (10, 22.0), (15, 21.0)):
        update(scores, step, psnr)
    assert scores.path.read_text() == "10"
    again = Scores(count=1, path=scores.path, every_steps=5)
    again.load_state_dict(scores.state_dict())
    assert (again.best, again.last) == (22.0, 21.0)
    again.load_state_dict({"best": 22.0})  # of an earlier version
    assert again.last == 22.0


def test_a_run_that_time_ends_before_its_first_score_is_scored(scores):
    module = update(scores, 3, 20.0)
    assert scores.last == -math.inf and not scores.path.exists()
    scores.on_train_end(TRAINER, module)
    assert scores.last == 20.0 and scores.path.read_text() == "3"
    scores.path.unlink()
    scores.on_train_end(TRAINER, module)  # scored already
    assert not scores.path.exists()
