"""The one-euro filter: smooth where a signal rests, quick where it moves."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Signal = Float[np.ndarray, "frame number"]


class OneEuro:
    """A low-pass filter whose cutoff grows with the speed of its signal (Casiez, Roussel and Vogel,
    CHI 2012, equations 1 to 7), for several numbers at once and any spacing in time.

    It is causal: a stream filters frame by frame. `smoothed` uses it in both directions of time.

    Args:
        cutoff_hz: of a signal that rests.
        beta: by how much the cutoff grows with speed, Hz for one unit a second; one number, or one
            for each of the signal's.
        speed_cutoff_hz: of the filter of the speed.
    """

    def __init__(
        self,
        cutoff_hz: float | Sequence[float],
        beta: float | Sequence[float],
        speed_cutoff_hz: float = 1.0,
    ) -> None:
        self.settings = (cutoff_hz, beta, speed_cutoff_hz)
        self.cutoff_hz, self.beta, self.speed_cutoff_hz = map(np.asarray, self.settings)
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None

    def __call__(self, value: Float[np.ndarray, " number"], seconds: float) -> np.ndarray:
        """The filtered value of the next frame, at a time after the last one's."""
        if self._last is None:
            self._last = seconds, value, np.zeros_like(value)
            return value
        before, last, speed = self._last
        step = seconds - before
        share = _share(self.speed_cutoff_hz, step)
        speed = share * (value - last) / step + (1 - share) * speed
        share = _share(self.cutoff_hz + self.beta * np.abs(speed), step)
        filtered = share * value + (1 - share) * last
        self._last = seconds, filtered, speed
        return filtered

    def fresh(self) -> "OneEuro":
        """The same filter before its first frame."""
        return OneEuro(*self.settings)


def smoothed(signal: Signal, seconds: Float[np.ndarray, " frame"], kind: OneEuro) -> Signal:
    """The mean of the filter's passes in both directions of time: what one pass lags behind, the
    other is ahead.
    """
    forward, backward = kind.fresh(), kind.fresh()
    ahead = [forward(row, time) for row, time in zip(signal, seconds, strict=True)]
    reversed_rows = zip(signal[::-1], -seconds[::-1], strict=True)
    behind = [backward(row, time) for row, time in reversed_rows]
    return (np.array(ahead) + np.array(behind[::-1])) / 2


def _share(cutoff_hz: np.ndarray, step: float) -> np.ndarray | np.floating:
    """Weight of the new value in an exponential filter (equation 4)."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step))
