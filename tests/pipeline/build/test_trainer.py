"""A training's time limit is that of each process."""

from datetime import timedelta

from lightning.pytorch.callbacks import Timer

from pipeline.build.configuration import compose
from pipeline.build.trainer import build_trainer


def test_a_continued_training_has_its_whole_time_again():
    trainer = build_trainer(
        compose("distill"), [], loggers=[], strategy="ddp", max_time=timedelta(minutes=1)
    )
    [timer] = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]
    timer.load_state_dict({"time_elapsed": {"train": 59.0, "sanity_check": 0.0, "validate": 0.0}})
    assert timer.state_dict() == {}
    assert timer.time_remaining() == 60.0
    without = build_trainer(compose("distill"), [], loggers=[], strategy="ddp")
    assert not any(isinstance(callback, Timer) for callback in without.callbacks)
