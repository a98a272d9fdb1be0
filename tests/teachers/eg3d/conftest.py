"""The writer of official-format pickles, for the tests of this folder."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def official() -> ModuleType:
    """The module `official_format` beside this file."""
    spec = importlib.util.spec_from_file_location(
        "official_format", Path(__file__).parent / "official_format.py"
    )
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
