"""The kernels' functions on vectors against double precision, over all that a network can give."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from numba.core.caching import CacheImpl

from teachers.rendering.fast import vectors


def kernel_of(function):
    @numba.njit
    def apply(x, y):
        for start in range(0, x.shape[0], vectors.LANES):
            vectors.store(y, start, function(vectors.load(x, start)))

    return apply


def applied(function, x: np.ndarray) -> np.ndarray:
    padded = np.zeros(-(-len(x) // vectors.LANES) * vectors.LANES, np.float32)
    padded[: len(x)] = x
    y = np.empty_like(padded)
    kernel_of(function)(padded, y)
    return y[: len(x)]


WIDE = np.concatenate(
    [np.linspace(-80, 80, 20001), np.linspace(-1e-3, 1e-3, 2001), [0.0, -0.0]]
).astype(np.float32)


@pytest.mark.parametrize(
    "name, exact, relative",
    [
        ("exp", torch.exp, 2e-7),
        ("sigmoid", torch.sigmoid, 4e-7),
        ("softplus", torch.nn.functional.softplus, 4e-7),
        ("one_minus_exp", lambda x: -torch.expm1(-x), 4e-7),
    ],
)
def test_a_function_is_as_exact_as_its_docstring_says(name, exact, relative):
    got = torch.from_numpy(applied(getattr(vectors, name), WIDE)).double()
    expected = exact(torch.from_numpy(WIDE).double())
    assert ((got - expected).abs() <= relative * expected.abs() + 1e-38).all()


def test_infinities_and_nan_keep_their_meaning():
    x = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30], np.float32)
    softplus, sigmoid = applied(vectors.softplus, x), applied(vectors.sigmoid, x)
    assert softplus[0] == np.inf and softplus[3] == x[3]
    assert 0 <= softplus[1] < 1e-37 and 0 <= softplus[4] < 1e-37
    assert sigmoid[[0, 3]].tolist() == [1, 1] and sigmoid[[1, 4]].max() < 1e-37
    assert np.isnan(softplus[2]) and np.isnan(sigmoid[2])


def test_the_lanes_add_up():
    @numba.njit
    def add(x):
        return vectors.total(vectors.load(x, 0))

    assert add(np.arange(16, dtype=np.float32)) == 120


def test_without_a_folder_to_write_kernels_are_compiled_in_every_process(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    @vectors.kernel
    def first(x):
        return vectors.total(vectors.load(x, 0))

    assert first(np.ones(16, np.float32)) == 16


def test_compiled_code_is_dropped_when_any_file_of_the_kernels_changes(tmp_path):
    """numba's own check sees the file of the kernel alone, not the one of what it calls."""
    folder = tmp_path / "teachers"
    source = Path(vectors.__file__).parents[2]
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__", "pretrained"))
    program = """
import torch
from teachers.rendering.fast import activations
print(activations.softplus(torch.zeros(16))[0].item())
"""

    def printed() -> float:
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", program]
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return float(result.stdout)

    assert printed() == pytest.approx(math.log(2))
    file = folder / "rendering" / "fast" / "vectors.py"
    log_of_u = "self.polynomial(u, _LOG), "
    doubled = file.read_text().replace(f"{log_of_u}u,", f"{log_of_u}self.builder.fadd(u, u),")
    assert doubled != file.read_text()
    file.write_text(doubled)
    assert printed() == pytest.approx(2 * math.log(2))
