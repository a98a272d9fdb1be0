"""What verbs cost less with."""

from collections.abc import Iterator

import pytest

from pipeline.evaluation.suites import coverage


@pytest.fixture(scope="module")
def few_cameras() -> Iterator[None]:
    """The training's cameras are drawn a hundred times for an evaluation's table, not a thousand:
    every camera is a draw of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage, "DRAWN", 100)
        yield
