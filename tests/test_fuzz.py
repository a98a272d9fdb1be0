"""No input of a user ends in a traceback: random settings and files, through the verbs themselves.

An error must be one of `USER_ERRORS` whose message names the value that came, or the file where
bytes are damaged (tests/fuzz_cases.py), and nothing is half written. A failed case is repeated by
its seed: `python -m tests.fuzz 1234` (more: `python -m tests.fuzz --help`).
"""

import pytest

from tests import fuzz


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return fuzz.given(tmp_path_factory.mktemp("given"))


def require_none(failures: list[str]) -> None:
    assert not failures, "\n".join([f"{len(failures)} failures", *failures[:40]])


def test_no_input_ends_in_a_traceback(given, tmp_path):
    require_none(fuzz.failures(given, tmp_path, range(500)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_no_input_of_very_many_ends_in_a_traceback(given, tmp_path):
    require_none(fuzz.failures(given, tmp_path, range(1000, 51_000)))
