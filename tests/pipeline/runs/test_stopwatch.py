"""Only the time inside a part counts."""

import pytest

from pipeline.runs import stopwatch as module
from pipeline.runs.stopwatch import Stopwatch


class Clock:
    """A clock that is advanced by hand."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)


def test_time_between_parts_does_not_count_and_shares_add_up(monkeypatch):
    clock, watch = Clock(monkeypatch), Stopwatch()
    assert (watch.seconds(), watch.share("teacher")) == (0.0, 0.0)
    for _ in range(2):
        with watch.part("teacher"):
            clock.now += 1.0
        watch.start("student")
        clock.now += 3.0
        watch.stop()
        clock.now += 60.0  # a validation
    assert watch.seconds() == pytest.approx(8.0)
    assert watch.seconds("teacher") == pytest.approx(2.0)
    assert watch.share("teacher") == pytest.approx(0.25)


def test_a_reset_inside_a_part_or_outside_never_makes_time_negative(monkeypatch):
    clock, watch = Clock(monkeypatch), Stopwatch()
    with watch.part("teacher"):
        clock.now += 5.0
        watch.reset()
    assert watch.seconds() >= 0
    watch.reset()
    clock.now += 60.0
    watch.stop()
    assert watch.seconds() == 0.0


def test_a_part_that_fails_is_counted_until_then(monkeypatch):
    clock, watch = Clock(monkeypatch), Stopwatch()
    with pytest.raises(ValueError), watch.part("teacher"):
        clock.now += 1.0
        raise ValueError
    assert watch.seconds("teacher") == pytest.approx(1.0)
