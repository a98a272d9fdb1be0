"""How many bits a stream of H.264 takes while its viewers can't follow."""

from dataclasses import dataclass

FALL, RISE = 0.7, 1.15
SETTLE_SECONDS, CALM_SECONDS = 2.0, 10.0
"""Between two changes downwards; without trouble before a change upwards."""

KEY_SECONDS = 1.0
"""At least, between two key frames that viewers ask for: each costs every viewer a burst."""


@dataclass
class RateControl:
    """Falls by a third when most viewers lose packets, climbs slowly back.

    Attributes:
        most: kbit/s.
        least: kbit/s.
        rate: now.
    """

    most: float
    least: float = 200.0
    rate: float = 0.0
    _changed: float = -1e9
    _trouble: float = -1e9

    def __post_init__(self) -> None:
        self.least = min(self.least, self.most)
        self.rate = self.rate or self.most

    def update(self, now: float, troubled: int, viewers: int) -> float | None:
        """The new rate, or None if it stays.

        Args:
            now: seconds.
            troubled: viewers whose queue overflowed since the last call.
            viewers: all of them. One slow viewer among several costs the others nothing.
        """
        if viewers and 2 * troubled > viewers:
            self._trouble = now
            if now - self._changed >= SETTLE_SECONDS and self.rate > self.least:
                return self._to(max(self.least, self.rate * FALL), now)
        elif self.rate < self.most and now - max(self._trouble, self._changed) >= CALM_SECONDS:
            return self._to(min(self.most, self.rate * RISE), now)
        return None

    def _to(self, rate: float, now: float) -> float:
        self.rate, self._changed = rate, now
        return rate


@dataclass
class KeyRequests:
    """Paces the key frames that viewers ask for."""

    wanted: bool = True
    _last: float = -1e9

    def due(self, now: float) -> bool:
        """Whether the next picture shall be a key frame."""
        if self.wanted and now - self._last >= KEY_SECONDS:
            self.wanted, self._last = False, now
            return True
        return False

    def made(self, now: float) -> None:
        """One was made for another reason."""
        self.wanted, self._last = False, now
