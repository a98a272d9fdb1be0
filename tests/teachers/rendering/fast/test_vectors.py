"""The kernels' functions on vectors against double precision, over all that a network can give."""

import numba
import numpy as np
import pytest
import torch

from teachers.rendering.fast import march_kernels, vectors


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


def test_a_kernel_is_compiled_again_if_any_file_of_its_folder_has_changed():
    assert march_kernels.march._cache._cache_file._source_stamp[1] == vectors._sources()
