"""Functions that the kernels call for each point: polynomials, because calls of a library would
keep the loops from being vectorised. The text of this file stands at the top of every file of
kernels. All numbers are float32; errors are a few units in the last place.

Polynomials: Cephes (Moshier 1989).
"""

from math import sqrt  # noqa: F401  kernels call it

import numpy as np
from numba import njit

F, INT = np.float32, np.int32
ONE, ZERO = F(1), F(0)
loop = njit(cache=True, error_model="numpy")
inner = njit(error_model="numpy")
ROUND = F(12582912.0)
"""Adding and subtracting it rounds to the nearest integer."""


@inner
def sin(x):  # type: ignore[no-untyped-def]
    """Sine, for |x| below some thousands."""
    turns = (x * F(0.31830988618) + ROUND) - ROUND
    r = ((x - turns * F(3.140625)) - turns * F(9.67502593994e-4)) - turns * F(1.509957990978e-7)
    s = r * r
    series = (F(2.6057805371e-6) * s - F(1.9809580202e-4)) * s + F(8.3330673426e-3)
    value = r + r * s * (series * s - F(0.1666665873))
    half = turns * F(0.5)
    return value if half == (half + ROUND) - ROUND else -value


@inner
def exp(x):  # type: ignore[no-untyped-def]
    """Exponential of what isn't positive."""
    x = max(x, F(-87.0))
    n = (x * F(1.44269504089) + ROUND) - ROUND
    r = (x - n * F(0.693359375)) + n * F(2.12194440e-4)
    s = ((F(1.9875691500e-4) * r + F(1.3981999507e-3)) * r + F(8.3334519073e-3)) * r
    s = ((s + F(4.1665795894e-2)) * r + F(1.6666665459e-1)) * r + F(5.0000001201e-1)
    return (s * r * r + r + ONE) * INT((INT(n) + INT(127)) << INT(23)).view(F)


@inner
def atan2(y, x):  # type: ignore[no-untyped-def]
    """Angle of (x, y) in [-π, π]."""
    ax, ay = abs(x), abs(y)
    ratio = min(ax, ay) / max(max(ax, ay), F(1e-30))
    is_steep = ratio > F(0.41421356)
    t = (ratio - ONE) / (ratio + ONE) if is_steep else ratio
    s = t * t
    series = (F(8.05374449538e-2) * s - F(1.38776856032e-1)) * s + F(1.99777106478e-1)
    angle = (series * s - F(3.33329491539e-1)) * s * t + t
    angle = angle + F(0.78539816339) if is_steep else angle
    angle = F(1.57079632679) - angle if ay > ax else angle
    angle = F(3.14159265359) - angle if x < ZERO else angle
    return -angle if y < ZERO else angle
