"""What the scripts in docs/figures say about what they measure."""

import importlib
from types import ModuleType

import pytest


@pytest.fixture
def astronaut(repository, monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(repository / "docs" / "figures")
    return importlib.import_module("astronaut")


def test_the_astronauts_statement_counts_lifts_that_are_farther(astronaut):
    others = [0.7 + 0.001 * n for n in range(97)] + [0.5, 0.55, None]
    said = astronaut.statement(0.6, others)
    assert "(identity distance 0.600) than those of 98 of 100 test heads are" in said
    assert "(1 of them have no face); theirs: 0.500 to 0.796. 95%: met." in said
    assert astronaut.statement(0.75, others).endswith("95%: missed.")


def test_a_lift_without_a_face_is_nobodys(astronaut):
    assert astronaut.statement(None, [0.5, None]) == (
        "No face is found in the astronaut's lift, so it is nearer than none of 2."
    )
