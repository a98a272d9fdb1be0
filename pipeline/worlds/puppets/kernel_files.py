"""Recorded kernels as a module in the user's cache folder, so that numba compiles them once a
machine, not once a process.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import numba

from pipeline.runs.kernel_choice import cache_folder

from . import components

RECORDED = (
    *("accessories", "anatomy", "appearance", "body", "components", "factors", "hair", "lanes"),
    *("presence", "recording", "sdf"),
)
"""Modules of this package that decide the kernels."""


@cache
def kernels() -> ModuleType:
    """The module of kernels of `components.source`: recorded and written when this version of the
    world has none yet.
    """
    here = Path(__file__).parent
    texts = [(here / f"{name}.py").read_bytes() for name in RECORDED]
    version = hashlib.sha256(b"".join(texts) + numba.__version__.encode()).hexdigest()[:16]
    folder = _folder()
    path = folder / f"puppets_{version}.py"
    if not path.exists():
        text = f"{(here / 'lanes.py').read_text(encoding='utf-8')}\n\n{components.source()}"
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # numba finds what it stored by this name
    spec.loader.exec_module(module)
    return module


def _folder() -> Path:
    """The cache folder, or a temporary one where that can't be written."""
    folder = cache_folder() / "puppets"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="trilift"))
