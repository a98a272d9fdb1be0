"""A dry run: the kinds of steps, their shares, and the table of costs."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.distillation.cost import StageCost, cost_table, reached
from pipeline.distillation.plan import Stage
from pipeline.distillation.planner import step_kinds
from pipeline.losses.image import ImageLoss
from pipeline.losses.weighted_sum import WeightedSum

STAGE = Stage(
    "second",
    start=30,
    end=None,
    reference_every=10,
    losses=WeightedSum({"image": ImageLoss()}),
    adversarial=None,
)
COST = StageCost("first", 100, 2.0, 0.25, 1.5, None, 50.0, 2**20, 2**10, 2**10)


def test_the_shares_of_kinds_of_steps_are_those_of_the_whole_stage():
    kinds = step_kinds(STAGE, end=10_000, r1_every=16)
    shares = {
        (len(STAGE.views(kind.numbers[0])), kind.numbers[0] % 16 == 0): kind.share for kind in kinds
    }
    expected = {(2, True): 1, (1, False): 68, (2, False): 7, (1, True): 4}  # of 80
    assert shares == {kind: pytest.approx(count / 80) for kind, count in expected.items()}


def test_steps_that_a_short_stage_does_not_have_are_not_reckoned_with():
    kinds = step_kinds(replace(STAGE, start=31, end=34), end=34, r1_every=None)
    assert [(kind.share, kind.numbers) for kind in kinds] == [(1.0, (31, 32, 33))]


def test_the_table_adds_up_times_and_disk(tmp_path):
    table = cost_table(
        [COST, replace(COST, name="second")],
        batch_size=8,
        micro_batch=8,
        preview_every=50,
        folder=tmp_path / "not" / "yet",
    )
    first, second = table.splitlines()[1:3]
    assert first.split() == [
        "first",
        "0",
        "…",
        "100",
        "8",
        "2",
        "4",
        "25%",
        "1.5",
        "GiB",
        "-",
        "4",
        "min",
        "10",
        "s",
        "4",
        "min",
        "10",
        "s",
    ]
    assert second.split()[-4:] == ["8", "min", "20", "s"] and "100 … 200" in second
    assert "200 steps in 8 min 20 s, of which validation and previews 20%" in table
    assert (
        "2.0 MiB = training state 1.0 MiB, twice while it is saved + student 1 KiB + 5 sheets of"
        " 1 KiB" in table
    )
    assert not (tmp_path / "not").exists()


def test_a_stage_without_end_has_no_total():
    table = cost_table(
        [replace(COST, steps=None)], batch_size=8, micro_batch=8, preview_every=50, folder=Path()
    )
    assert "∞" in table and "the run: without end" in table


def test_too_little_disk_is_said():
    assert "TOO LITTLE" in cost_table(
        [replace(COST, state_bytes=2**60)],
        batch_size=8,
        micro_batch=8,
        preview_every=50,
        folder=Path(),
    )


def test_hours_lead_to_a_stage():
    costs = [COST, replace(COST, name="second", steps=300)]  # 250 s, 650 s
    after = [reached(costs, seconds / 3600, batch_size=8) for seconds in (125, 575, 900)]
    assert after == [
        "after 2 min 5 s: step 50, 400 identities, stage first (50% of it); to the end another"
        " 12 min 55 s",
        "after 9 min 35 s: step 250, 2000 identities, stage second (50% of it); to the end another"
        " 5 min 25 s",
        "after 15 min: all 400 steps are made, after 15 min",
    ]
    endless = reached([replace(COST, steps=None, aside_seconds=0.5)], 1, batch_size=8)
    assert endless == "after 1 h: step 1440, 11520 identities, stage first; the run has no end"
