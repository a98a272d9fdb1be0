import pytest
import torch

from pipeline.inversion.descent import Moved, Schedule, descend
from pipeline.inversion.progress import reporting

STEADY = {"warm_up": 0.0, "cool_down": 0.0}


def bowl(place: torch.Tensor):
    def losses(step: int):
        value = (place - 3.0).square().sum()
        return value, value

    return losses


def test_it_goes_down_and_says_how():
    place = torch.zeros(2, requires_grad=True)
    course = descend(
        [Moved([place], 0.1)],
        bowl(place),
        Schedule(steps=100, **STEADY),
        title="bowl",
        progress=False,
    )
    assert (place - 3.0).abs().max() < 0.1 and len(course.losses) == 100
    assert course.losses[0] == 18.0 and course.losses[-1] < 0.1 and course.note("bowl") == ()


def test_no_steps_move_nothing():
    place = torch.ones(2, requires_grad=True)
    assert (
        descend(
            [Moved([place], 0.1)], bowl(place), Schedule(steps=0), title="none", progress=False
        ).losses
        == []
    )
    assert torch.equal(place, torch.ones(2))


def test_the_rate_rises_stays_and_falls():
    schedule = Schedule(steps=100)
    factors = [schedule.factor(step) for step in range(100)]
    assert 0 < factors[0] < factors[3] < 1 and factors[5:75] == [1.0] * 70
    assert factors[99] < 0.01 and factors[80] > factors[90]


def test_an_update_into_a_hole_is_taken_back_and_made_smaller():
    place = torch.zeros(1, requires_grad=True)

    def losses(step: int):
        value = (place - 0.85).square().sum() if place.item() < 0.9 else place.sum() * float("nan")
        return value, value

    course = descend(
        [Moved([place], 1.0)], losses, Schedule(steps=60, **STEADY), title="hole", progress=False
    )
    assert (
        course.taken_back > 0
        and torch.isfinite(place).all()
        and place.item() == pytest.approx(0.85, abs=0.1)
    )
    assert all(loss == loss for loss in course.losses)


def test_a_gradient_that_is_not_finite_counts_as_well():
    place = torch.zeros(1, requires_grad=True)

    def losses(step: int):
        value = place.sqrt().sum()  # 0, with an infinite slope
        return value, value

    course = descend(
        [Moved([place], 0.1)], losses, Schedule(steps=5, **STEADY), title="root", progress=False
    )
    assert place.item() == 0.0 and course.taken_back == 1 and "at its start" in course.ended_early
    assert "ended after 0 steps" in course.note("root")[0]


def test_it_is_no_endless_try():
    place, count = torch.zeros(1, requires_grad=True), []

    def losses(step: int):
        count.append(step)
        value = (place if len(count) == 1 else place * float("nan")).sum()
        return value, value

    course = descend(
        [Moved([place], 0.1)],
        losses,
        Schedule(steps=100, **STEADY),
        title="nothing",
        progress=False,
    )
    assert place.item() == 0.0 and len(count) < 20 and course.ended_early


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="0 steps or more"):
        Schedule(steps=-1)


def test_whoever_listens_hears_every_step():
    place, heard = torch.zeros(1, requires_grad=True), []
    with reporting(lambda *told: heard.append(told)):
        descend([Moved([place], 0.1)], bowl(place), Schedule(steps=3), title="bowl", progress=False)
    assert heard == [("bowl", 1, 3), ("bowl", 2, 3), ("bowl", 3, 3)]
