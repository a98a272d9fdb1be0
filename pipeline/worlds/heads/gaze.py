"""Where somebody in a conversation looks, and when the eyes blink.

Eyes rest and jump. A jump of d degrees takes 20 to 30 ms and 2 to 2.7 ms more for each degree (Lee,
Badler and Badler 2002, as quoted by Duchowski and Jörg 2016). In conversations two people look at
each other's face 60 % of the time, for 2.2 s at a time (Rogers et al. 2018); who begins to speak
looks away, who ends looks at the other one (Ho et al. 2015). The head turns along a little.

People blink 17 times a minute at rest and 26 times in conversation, on average (Bentivoglio et al.
1997); lids close 40 to 47 % faster than they open (Sforza et al. 2008), and a blink often goes with
a shift of gaze, nearly always with a large one (Evinger et al. 1994). All other numbers are our
choice.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from .curves import ease
from .rows import Row, row_of
from .speech import Speech, speech_until

Angles = tuple[float, float]
"""Yaw and pitch, radians."""

AWAY_LISTENING, AWAY_SPEAKING, AWAY_BEGINNING = 0.14, 0.38, 0.7
"""How often the next fixation isn't the camera."""
BEGINNING = 0.8
"""Seconds of a turn in which it begins."""
AT_CAMERA, AWAY = (0.5, 2.2), (0.5, 1.1)
"""Seconds of a fixation."""
ABOUT_CAMERA = 0.025
"""Radians: fixations of the camera lie within, as on eyes and mouth of a listener."""
LEAST_SHIFT = 0.12
"""Radians: larger shifts attract a blink."""
TURNS_ALONG, TURN_SECONDS = 0.25, 0.45
"""The head's share of a shift, and how long it takes."""
BLINK_APART = (2.0, 6.0)
"""Seconds from a blink to the next one."""
ATTRACTED = 0.9
"""Seconds by which a shift of gaze may move a blink."""


@dataclass(frozen=True)
class Fixation:
    """From `start` (seconds) on the eyes turn to `target`, in the torso's frame: (0, 0) is the
    camera.
    """

    start: float
    target: Angles
    is_camera: bool


class Gaze:
    """The fixations of a person up to some time."""

    def __init__(self, fixations: list[Fixation]) -> None:
        self.fixations = fixations
        self._starts = [one.start for one in fixations]

    def target(self, time: float) -> Angles:
        """Where the eyes look."""
        before, now = self._around(time)
        seconds = saccade_seconds(math.dist(before.target, now.target))
        return _between(before.target, now.target, ease((time - now.start) / seconds))

    def turn(self, time: float) -> Angles:
        """How far the head turns along."""
        before, now = self._around(time)
        yaw, pitch = _between(before.target, now.target, ease((time - now.start) / TURN_SECONDS))
        return TURNS_ALONG * yaw, TURNS_ALONG * pitch

    def away(self, time: float) -> float:
        """Whether they look elsewhere than at the camera, as a smooth curve in [0, 1]."""
        before, now = self._around(time)
        low, high = float(not before.is_camera), float(not now.is_camera)
        return low + (high - low) * ease((time - now.start) / TURN_SECONDS)

    def shifts(self) -> list[float]:
        """When the gaze starts to move by more than `LEAST_SHIFT`."""
        pairs = zip(self.fixations[:-1], self.fixations[1:], strict=True)
        return [
            now.start for before, now in pairs if math.dist(before.target, now.target) > LEAST_SHIFT
        ]

    def _around(self, time: float) -> tuple[Fixation, Fixation]:
        row = bisect_right(self._starts, time) - 1
        return self.fixations[max(row - 1, 0)], self.fixations[max(row, 0)]


@dataclass(frozen=True)
class Blink:
    """Seconds, but for `depth`: the share of the eye that is covered."""

    start: float
    closing: float
    held: float
    opening: float
    depth: float

    def at(self, time: float) -> float:
        """The action of the lids, in [0, 1]."""
        since = time - self.start
        opened = ease((since - self.closing - self.held) / self.opening)
        return self.depth * ease(since / self.closing) * (1 - opened)


def saccade_seconds(radians: float) -> float:
    """How long eyes take to turn by an angle."""
    return 0.025 + 0.0023 * math.degrees(radians)


@lru_cache(64)
def gaze_until(seed: int, seconds: int) -> Gaze:
    """Fixations from before time 0 until at least `seconds`."""
    draws, speech = row_of(seed, "gaze"), speech_until(seed, seconds + 8)
    time, number = -2.0 - draws.uniform("first"), 0
    found: list[Fixation] = []
    while time < seconds:
        is_camera = not draws.happens(f"away {number}", _away(speech, time))
        target = _near(draws, number) if is_camera else _elsewhere(draws, number)
        found.append(Fixation(time, target, is_camera))
        time += draws.uniform(f"seconds {number}", *(AT_CAMERA if is_camera else AWAY))
        number += 1
    return Gaze(found)


@lru_cache(64)
def blinks_until(seed: int, seconds: int) -> list[Blink]:
    """Blinks from before time 0 until at least `seconds`."""
    draws, shifts = row_of(seed, "blinks"), gaze_until(seed, seconds + 8).shifts()
    least, most = BLINK_APART
    time, number = -most * draws.uniform("first"), 0
    found: list[Blink] = []
    while time < seconds:
        closing = draws.uniform(f"closing {number}", 0.10, 0.15)
        found.append(
            Blink(
                start=time,
                closing=closing,
                held=draws.uniform(f"held {number}", 0.02, 0.05),
                opening=closing * draws.uniform(f"opening {number}", 1.6, 2.0),
                depth=1.0 if draws.happens(f"full {number}", 0.8) else 0.8,
            )
        )
        due = time + least + (most - least) * draws.uniform(f"apart {number}") ** 3
        first, last = max(time + least, due - ATTRACTED), min(time + most, due + ATTRACTED)
        near = [shift for shift in shifts if first <= shift <= last]
        time = min(near, key=lambda shift: abs(shift - due)) if near else due
        number += 1
    return found


def lids_at(seed: int, time: float, until: int) -> float:
    """How far both eyes are closed, in [0, 1]."""
    blinks = blinks_until(seed, until)
    row = bisect_right(blinks, time, key=lambda blink: blink.start) - 1
    return blinks[row].at(time) if row >= 0 else 0.0


def _away(speech: Speech, time: float) -> float:
    if not speech.is_speaking(time):
        return AWAY_LISTENING
    begins = any(
        phrase.is_turn and phrase.start <= time < phrase.start + BEGINNING
        for _, phrase in speech.near(time)
    )
    return AWAY_BEGINNING if begins else AWAY_SPEAKING


def _near(draws: Row, number: int) -> Angles:
    return (
        draws.uniform(f"near yaw {number}", -ABOUT_CAMERA, ABOUT_CAMERA),
        draws.uniform(f"near pitch {number}", -ABOUT_CAMERA, ABOUT_CAMERA),
    )


def _elsewhere(draws: Row, number: int) -> Angles:
    """To one side, a little up or down."""
    side = 1.0 if draws.happens(f"side {number}", 0.5) else -1.0
    return (
        side * draws.uniform(f"yaw {number}", 0.16, 0.42),
        draws.uniform(f"pitch {number}", -0.2, 0.16),
    )


def _between(low: Angles, high: Angles, share: float) -> Angles:
    return low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1])
