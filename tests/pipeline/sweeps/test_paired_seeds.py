"""A direction is stated only if the interval over seeds excludes 0."""

import pytest

from pipeline.sweeps.paired_seeds import estimate, paired_difference, verdict

REFERENCE = {"0": 15.0, "1": 16.0, "2": 14.0}


def shifted(*differences: float) -> dict[str, float]:
    return {seed: REFERENCE[seed] + d for seed, d in zip(REFERENCE, differences, strict=True)}


def test_the_interval_is_students_t():
    found = estimate({"0": 1.0, "1": 2.0, "2": 3.0})
    # deviation 1, three values: half the width is 4.303 / sqrt(3)
    assert (found.mean, found.low, found.seeds) == (2.0, pytest.approx(2 - 2.4843, abs=1e-3), 3)


def test_seeds_are_paired_and_their_common_part_cancels():
    found = paired_difference(shifted(-1.0, -1.1, -0.9), REFERENCE)
    assert found.mean == pytest.approx(-1.0) and found.high < 0
    only_two = paired_difference({"0": 14.0, "1": 15.0, "7": 0.0}, REFERENCE)
    assert only_two.seeds == 2 and only_two.mean == -1.0


@pytest.mark.parametrize(
    ("differences", "expected", "says"),
    [
        ((-1.0, -1.1, -0.9), -1, "confirmed"),
        ((-1.0, -1.1, -0.9), 1, "contradicted"),
        ((-1.0, -2.0, 1.0), -1, "not resolved"),
        ((-0.1, -0.1, -0.4), -1, "not resolved"),  # all below 0, too few to tell
    ],
)
def test_verdicts(differences, expected, says):
    assert verdict(paired_difference(shifted(*differences), REFERENCE), expected) == says


def test_one_seed_resolves_nothing_and_none_measures_nothing():
    assert verdict(paired_difference({"0": 1.0}, REFERENCE), -1) == "not resolved"
    assert verdict(paired_difference({}, REFERENCE), -1) == "not measured"
    assert estimate({"0": float("nan")}) is None
