"""Speech without sound: phrases of syllables, and the mouths that go with them.

A syllable is a consonant and a vowel, each with a mouth of facial actions (a viseme). The mouth's
opening then has its power at the rate of the syllables, 2 to 7 Hz in speech (Chandrasekaran et al.
2009). Mouths, durations and frequencies are our choice.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .curves import Keyframes, Weights, bump
from .expressions import both_sides
from .rows import Row, row_of

VOWELS: dict[str, tuple[float, Weights]] = {
    "a": (0.24, {"jawOpen": 0.40, **both_sides("mouthLowerDown", 0.8),
                 **both_sides("mouthUpperUp", 0.3)}),
    "e": (0.24, {"jawOpen": 0.26, **both_sides("mouthStretch", 0.15),
                 **both_sides("mouthLowerDown", 0.4), **both_sides("mouthUpperUp", 0.25),
                 **both_sides("cheekSquint", 0.15)}),
    "i": (0.18, {"jawOpen": 0.15, **both_sides("mouthStretch", 0.15),
                 **both_sides("mouthSmile", 0.2), **both_sides("mouthLowerDown", 0.3),
                 **both_sides("mouthUpperUp", 0.2), **both_sides("cheekSquint", 0.3)}),
    "o": (0.18, {"jawOpen": 0.30, "mouthPucker": 0.65, "mouthFunnel": 0.05,
                 **both_sides("mouthLowerDown", 0.8), **both_sides("mouthUpperUp", 0.35)}),
    "u": (0.16, {"jawOpen": 0.16, "mouthPucker": 0.85, **both_sides("mouthLowerDown", 0.45),
                 **both_sides("mouthUpperUp", 0.25)}),
}  # fmt: skip
"""How often each is, and its mouth. `mouthFunnel` opens the middle of the lips alone, to a diamond:
rounded mouths are puckered, opened by the jaw, and widened by the lips' own actions.
"""

CONSONANTS: dict[str, tuple[float, float, Weights]] = {
    "m": (0.12, 0.055, {"jawOpen": 0.06, "mouthClose": 0.08, "mouthRollLower": 0.2,
                        "mouthRollUpper": 0.1}),
    "b": (0.10, 0.05, {"jawOpen": 0.06, "mouthClose": 0.08, "mouthRollLower": 0.15,
                       "mouthRollUpper": 0.1, "cheekPuff": 0.14}),
    "f": (0.09, 0.05, {"jawOpen": 0.07, "mouthRollLower": 0.45,
                       **both_sides("mouthUpperUp", 0.25)}),
    "s": (0.22, 0.04, {"jawOpen": 0.03, **both_sides("mouthStretch", 0.12),
                       **both_sides("mouthLowerDown", 0.25), **both_sides("mouthUpperUp", 0.12)}),
    "t": (0.25, 0.02, {"jawOpen": 0.06, **both_sides("mouthLowerDown", 0.2)}),
    "w": (0.12, 0.04, {"jawOpen": 0.05, "mouthPucker": 0.55,
                       **both_sides("mouthLowerDown", 0.25), **both_sides("mouthUpperUp", 0.15)}),
    "k": (0.10, 0.02, {"jawOpen": 0.08, **both_sides("mouthUpperUp", 0.1)}),
}  # fmt: skip
"""How often each is, how long it is held (seconds), and its mouth; "m" stands for n, "b" for p,
"f" for v, "s" for z, "t" for d and l, "w" for r and sh, "k" for g and h, too.
"""

UNSTRESSED, STRESSED = (0.165, 0.22), (0.22, 0.30)
"""Seconds of a syllable: 3.3 to 6 a second."""
SYLLABLES = (5, 16)
"""Of a phrase."""
BREATH, TURN = (0.3, 0.6), (1.4, 3.6)
"""Seconds between two phrases of one turn, and of listening."""
LISTENS = 0.45
"""How often the other one speaks after a phrase."""
AHEAD = 0.5
"""Share of a vowel's rounding that its consonant has."""
OPENS, CLOSES = 0.18, 0.26
"""Seconds from a mouth at rest to the first sound, and back from the last one."""


@dataclass(frozen=True)
class Stress:
    """The vowel of a stressed syllable: when, and how strongly in about [0.8, 1.2]."""

    time: float
    strength: float


@dataclass(frozen=True)
class Phrase:
    """What is said without a pause.

    Attributes:
        start, end: seconds.
        since: the end of the phrase before.
        is_turn: whether it follows what the other one said.
        stresses: in the order of time.
        frames: the mouth, from its opening to its closing.
    """

    start: float
    end: float
    since: float
    is_turn: bool
    stresses: tuple[Stress, ...]
    frames: list[tuple[float, Weights]]


class Speech:
    """All phrases of a person up to some time; those of a later one continue them."""

    def __init__(self, phrases: list[Phrase]) -> None:
        self.phrases = phrases
        self.stresses = [stress for phrase in phrases for stress in phrase.stresses]
        self._starts = [phrase.start for phrase in phrases]
        self._mouth = Keyframes([frame for phrase in phrases for frame in phrase.frames])

    def mouth(self, time: float) -> Weights:
        """Facial actions."""
        return self._mouth.at(time)

    def near(self, time: float) -> list[tuple[int, Phrase]]:
        """The phrases, with their numbers, that may be heard or awaited at a time."""
        row = bisect_right(self._starts, time) - 1
        rows = range(max(row - 1, 0), min(row + 2, len(self.phrases)))
        return [(number, self.phrases[number]) for number in rows]

    def is_speaking(self, time: float) -> bool:
        """Whether a phrase goes on."""
        return any(phrase.start <= time < phrase.end for _, phrase in self.near(time))

    def speaking(self, time: float) -> float:
        """The same as a smooth curve in [0, 1]."""
        return max(
            bump(time - phrase.start + OPENS, 0.3, phrase.end - phrase.start - 0.2, 0.4)
            for _, phrase in self.near(time)
        )


@lru_cache(64)
def speech_until(seed: int, seconds: int) -> Speech:
    """What a person says from before time 0 until at least `seconds`."""
    draws = row_of(seed, "speech")
    end, number, is_turn = -draws.uniform("first", 0.0, 5.0), 0, True
    phrases: list[Phrase] = []
    while end < seconds:
        pause = draws.uniform(f"pause {number}", *(TURN if is_turn else BREATH))
        phrase = _phrase(draws, number, end + pause, end, is_turn)
        phrases.append(phrase)
        is_turn = draws.happens(f"listens {number}", LISTENS)
        end, number = phrase.end, number + 1
    return Speech([_closed(one, after) for one, after in pairwise(phrases)])


def _phrase(draws: Row, number: int, start: float, since: float, is_turn: bool) -> Phrase:
    count = round(draws.uniform(f"syllables {number}", *SYLLABLES))
    loudness = draws.uniform(f"loudness {number}", 0.8, 1.15)
    opens = min(OPENS, 0.4 * (start - since))
    frames: list[tuple[float, Weights]] = [(start - opens, {})]
    stresses, time, until_stress = [], start, 1
    for k in range(count):
        name = f"{number} {k}"
        is_stressed = until_stress == 0
        seconds = draws.uniform(f"seconds {name}", *(STRESSED if is_stressed else UNSTRESSED))
        low, high = (1.0, 1.2) if is_stressed else (0.6, 0.85)
        strength = loudness * draws.uniform(f"strength {name}", low, high)
        _, held, consonant = _drawn(draws, f"consonant {name}", CONSONANTS)
        vowel = _drawn(draws, f"vowel {name}", VOWELS)[1]
        vowel = {action: value * strength for action, value in vowel.items()}
        consonant = _with_lips_of(consonant, vowel)
        middle = time + held + 0.5 * (seconds - held)
        frames += [(time, consonant), (time + held, consonant), (middle, vowel)]
        if is_stressed:
            stresses.append(Stress(middle, strength))
            until_stress = 2 + int(draws.uniform(f"unstressed {name}", 0, 3))
        until_stress -= 1
        time += seconds
    return Phrase(start, time, since, is_turn, tuple(stresses), frames)


def _with_lips_of(consonant: Weights, vowel: Weights) -> Weights:
    """Lips are rounded or spread before the vowel begins."""
    return consonant | {
        name: max(consonant.get(name, 0.0), AHEAD * vowel[name])
        for name in ("mouthPucker", *both_sides("mouthStretch", 1.0))
        if name in vowel
    }


def _closed(phrase: Phrase, after: Phrase) -> Phrase:
    """With the mouth at rest before the next phrase opens it."""
    closes = min(CLOSES, 0.4 * (after.start - phrase.end))
    phrase.frames.append((phrase.end + closes, {}))
    return phrase


def _drawn(draws: Row, name: str, kinds: dict[str, tuple]) -> tuple:  # type: ignore[type-arg]
    found = list(kinds.values())
    return found[draws.choice(name, [one[0] for one in found])]
