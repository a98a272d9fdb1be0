"""What all tests share."""

import os
from pathlib import Path

import pytest

# Small tensors gain nothing from threads, and test processes would fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[1]
