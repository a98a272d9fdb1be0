"""Somebody in a conversation: the expression as a smooth function of the time.

Speech moves the mouth (`speech.py`), eyes look and blink (`gaze.py`), and the rest goes with them:
brows rise and the head nods at stressed syllables, cheeks rise with a smile and with spread lips,
a thinking look away draws the brows together. Head and face move with phrases and stresses at 1 to
2 Hz, mouths at 3 to 4 Hz (Pedersen et al. 2022); rapid rises of the brows go with turns of speech
and with the pitch of the voice (Cavé, Guaïtella and Santi 2002). All sizes are our choice.
"""

import math

from .curves import Weights, bump, smooth_curve, step
from .expressions import assembled, both_sides, smile, with_tilt
from .factors import Expression
from .gaze import Gaze, gaze_until, lids_at
from .rows import Row, row_of
from .speech import CONSONANTS, Speech, speech_until

HORIZON = 32
"""Seconds that are planned at once; what has been planned stays when more is."""
CLOSED = CONSONANTS["m"][2]["mouthClose"]
NOD, LISTENER_NOD = 0.05, 0.06
"""Radians of the head at a stress, and of somebody who agrees."""
NOD_SECONDS = 0.42
"""Of one nod of several."""


def expression_at(seed: int, time: float, *, is_head_still: bool = False) -> Expression:
    """What a person's face does at a time.

    Args:
        seed: of the expression.
        time: seconds from the start of the sequence, not negative.
        is_head_still: the neck stays straight, and the eyes needn't make up for it.
    """
    until = HORIZON * (1 + int(time / HORIZON))
    speech, gaze = speech_until(seed, until + 8), gaze_until(seed, until)
    person = row_of(seed, "manner")
    lively = person.uniform("lively", 0.8, 1.2)
    away = gaze.away(time)
    happy = _happy(seed, time, person) * (1 - 0.5 * away)
    actions = _merged(
        _mouth(speech, time, happy),
        _brows(seed, speech, time, away, gaze.target(time)[1], lively),
    )
    actions = with_tilt(actions, person.normal("asymmetry", 0.0, 0.08))
    neck = (0.0, 0.0, 0.0) if is_head_still else _neck(seed, speech, gaze, time, lively)
    yaw, pitch = gaze.target(time)
    eyes = yaw - neck[0], pitch - neck[1]
    return assembled(actions, lids_at(seed, time, until), eyes, neck)


def _happy(seed: int, time: float, person: Row) -> float:
    mood = smooth_curve(seed, "happy", time / 2.6) + person.normal("mood", 0.12, 0.2)
    return step(mood, -0.1, 0.75)


def _mouth(speech: Speech, time: float, happy: float) -> Weights:
    """The mouth that speaks and smiles: lips that are pressed together or rounded smile less."""
    spoken = speech.mouth(time)
    closed = min(1.0, spoken.get("mouthClose", 0.0) / CLOSED)
    rounded = spoken.get("mouthPucker", 0.0)
    strength = 0.8 * happy * (1 - 0.35 * speech.speaking(time)) * (1 - 0.6 * rounded)
    parted = step(happy, 0.6, 0.95) * (1 - closed)
    return _merged(
        {name: value * (1 - 0.25 * happy) for name, value in spoken.items()},
        smile(strength, 0.0),
        both_sides("mouthUpperUp", 0.6 * strength * parted),
        both_sides("mouthLowerDown", 0.3 * strength * parted),
        {"jawOpen": 0.05 * parted},
    )


def _brows(
    seed: int, speech: Speech, time: float, away: float, up: float, lively: float
) -> Weights:
    mood = smooth_curve(seed, "brow", time / 1.8)
    raised = 0.5 * max(0.0, mood) + 1.2 * max(0.0, up) + _stressed_brows(seed, speech, time)
    raised = min(1.0, lively * raised)
    frown = lively * (0.4 * max(0.0, -mood - 0.15) + 0.2 * away) * (1 - raised)
    return {
        "browInnerUp": raised,
        **both_sides("browOuterUp", 0.85 * raised),
        **both_sides("browDown", min(1.0, frown)),
        **both_sides("eyeWide", 0.35 * raised),
        **both_sides("eyeSquint", 0.3 * frown),
        **both_sides("noseSneer", 0.1 * frown),
    }


def _stressed_brows(seed: int, speech: Speech, time: float) -> float:
    """Brows that rise with some stresses, and when a turn begins."""
    total = 0.0
    for number, phrase in speech.near(time):
        draws = row_of(seed, f"brows {number}")
        if phrase.is_turn and draws.happens("turn", 0.6):
            total += 0.6 * bump(time - phrase.start + 0.25, 0.2, 0.25, 0.4)
        for k, stress in enumerate(phrase.stresses):
            if draws.happens(f"rise {k}", 0.45):
                height = stress.strength * draws.uniform(f"height {k}", 0.4, 0.8)
                total += height * bump(time - stress.time + 0.18, 0.16, 0.12, 0.3)
    return total


def _neck(
    seed: int, speech: Speech, gaze: Gaze, time: float, lively: float
) -> tuple[float, float, float]:
    """Yaw, pitch, roll: the head drifts, turns along with the eyes, and nods."""
    yaw, pitch = gaze.turn(time)
    return (
        yaw + 0.09 * smooth_curve(seed, "neck yaw", time / 1.9),
        pitch
        + 0.05 * smooth_curve(seed, "neck pitch", time / 1.6)
        - lively * _nods(seed, speech, time),
        0.06 * smooth_curve(seed, "neck roll", time / 2.1),
    )


def _nods(seed: int, speech: Speech, time: float) -> float:
    """How far the head is bowed: at stresses, and two or three times while listening."""
    total = 0.0
    for number, phrase in speech.near(time):
        draws = row_of(seed, f"nods {number}")
        for k, stress in enumerate(phrase.stresses):
            if draws.happens(f"nod {k}", 0.6):
                total += NOD * stress.strength * bump(time - stress.time + 0.14, 0.15, 0.03, 0.3)
        if phrase.is_turn and draws.happens("agrees", 0.6):
            since = time - phrase.since - draws.uniform("start", 0.2, 0.5)
            nod = int(since // NOD_SECONDS)
            if 0 <= nod < 2 + int(2 * draws.uniform("nods")):
                total += LISTENER_NOD * 0.7**nod * math.sin(math.pi * since / NOD_SECONDS) ** 2
    return total


def _merged(*parts: Weights) -> Weights:
    """The sum of all."""
    total: Weights = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total
