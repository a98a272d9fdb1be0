"""Softplus and its gradient, number by number."""

from .vectors import LANES, kernel, load, sigmoid, softplus, store


@kernel
def softplus_of(x, y, first, last):
    """Writes the softplus of the numbers first … last, whole vectors."""
    for at in range(first, last, LANES):
        store(y, at, softplus(load(x, at)))


@kernel
def softplus_slopes(x, gradients, slopes, first, last):
    """Writes the gradient of the numbers first … last from that of their softplus."""
    for at in range(first, last, LANES):
        store(slopes, at, load(gradients, at) * sigmoid(load(x, at)))
