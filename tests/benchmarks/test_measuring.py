"""How work is timed and judged."""

import itertools
import time

import pytest

from tests.benchmarks.measuring import (
    Contender,
    Timing,
    Unavailable,
    paired_ratio,
    spread,
    take_turns,
)
from tests.benchmarks.rows import LONG, SHORT, Aim


def test_contenders_take_turns_and_another_one_begins_each_round():
    calls = []
    contenders = {name: Contender(lambda name=name: calls.append(name)) for name in "abc"}
    records, state = take_turns(contenders, rounds=3)
    assert state == "done"
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab"
    assert [len(record.seconds) for record in records.values()] == [3, 3, 3]


def test_times_are_of_one_unit_and_a_work_may_time_itself():
    work = Contender(lambda: Timing(6.0, {"stage": 3.0}, {"error": 0.5}))
    records, _ = take_turns({"a": work}, rounds=2, per=3)
    found = records["a"].to_dict()
    assert found["seconds"] == [2.0, 2.0]
    assert (found["parts"], found["values"]) == ({"stage": 1.0}, {"error": 0.5})


def test_what_is_unavailable_says_why_and_the_others_run():
    def missing():
        raise Unavailable("needs a compiler")

    records, state = take_turns({"a": Contender(missing), "b": Contender(lambda: None)}, rounds=2)
    assert state == "done"
    assert records["a"].to_dict() == {"unavailable": "needs a compiler"}
    assert len(records["b"].seconds) == 2


def test_no_round_begins_that_would_end_too_late():
    left = itertools.chain([10.0, 10.0], itertools.repeat(0.0))
    records, state = take_turns(
        {"a": Contender(lambda: time.sleep(0.01))}, rounds=5, left=lambda: next(left)
    )
    assert state == "time was up after 2 of 5 rounds"
    assert len(records["a"].seconds) == 2


def test_without_time_for_a_round_the_warm_up_is_reported():
    records, state = take_turns({"a": Contender(lambda: time.sleep(0.01))}, left=lambda: 0.0)
    assert "warm-up" in state
    assert len(records["a"].seconds) == 1


def test_ratios_are_within_a_round():
    # A machine that is three times slower in the second round changes both alike.
    assert paired_ratio([2.0, 6.0, 2.0], [1.0, 3.0, 1.0]) == 2.0
    assert spread([1.0, 2.0, 3.0]) == 0.5


def test_aims_compare_what_they_name():
    row = {
        "contenders": {
            "baseline": {"seconds": [4.0, 8.0], "peak_bytes": 2_000_000_000, "flop": 8.0},
            "fast": {"seconds": [2.0, 4.0], "peak_bytes": 1_000_000_000, "flop": 3.0},
        },
        "growth": {"rays": {"exponent": 1.0}, "batch": {"exponent": 0.9}},
    }

    def value(quantity, **others):
        return Aim("", quantity, to="baseline", **others).measured(row)

    assert value("ratio") == 2.0
    assert value("ratio", factor=2) == 4.0
    assert value("seconds") == 3.0
    assert value("slowest") == 6.0
    assert value("peak_gb") == 1.0
    assert value("peak_ratio") == 0.5
    assert value("rate_share") == pytest.approx((3 / 3) / (8 / 6))
    assert value("exponent") == 1.0
    assert value("ratio", of="absent") is None
    assert Aim("", "ratio", at_least=3).missing_factor(2.0) == 1.5
    assert Aim("", "seconds", at_most=2).missing_factor(3.0) == 1.5
    assert Aim("", "seconds", at_most=2).missing_factor(1.0) == 1.0


def test_rows_have_names_of_their_own_and_works_that_exist():
    rows = (*SHORT, *LONG)
    assert len({row.name for row in rows}) == len(rows)
    assert all(callable(row.function()) for row in rows)
