"""Durations have two neighbouring units."""

import math

import pytest

from pipeline.runs.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.00001, "< 0.1 ms"),
        (0.0021, "2.1 ms"),
        (0.0184, "18 ms"),
        (3.24, "3.2 s"),
        (48.0, "48 s"),
        (89.6, "1 min 30 s"),
        (150.0, "2 min 30 s"),
        (3600.0, "1 h"),
        (3659.0, "1 h"),
        (3661.0, "1 h 1 min"),
        (90061.0, "1 d 1 h"),
        (math.inf, "∞"),
    ],
)
def test_durations_have_two_neighbouring_units(seconds, text):
    assert duration(seconds) == text
