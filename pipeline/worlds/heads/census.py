"""Who lives in a split: counts of its first people by gender, age, ancestry, weight, skin, hair and
what they wear.
"""

from collections import Counter

from pipeline.worlds.splits import Split, WorldSeeds

from .distributions import draw_identity
from .factors import Identity
from .template import ANCESTRIES


def census(split: Split, count: int) -> dict[str, dict[str, float]]:
    """Shares in [0, 1] of the first `count` people of a split, by question and answer."""
    people = [draw_identity(seed) for seed in WorldSeeds.of(split, range(count)).identity]
    found: dict[str, Counter[str]] = {}
    for person in people:
        for question, answer in answers(person).items():
            found.setdefault(question, Counter())[answer] += 1
    return {
        question: {answer: counts[answer] / count for answer in sorted(counts)}
        for question, counts in found.items()
    }


def answers(person: Identity) -> dict[str, str]:
    """One person's answer to every question."""
    body = person.physique
    largest = max(range(3), key=lambda kind: body.ancestry[kind])
    return {
        "gender": "female" if body.femininity > 0.5 else "male",
        "age": f"{int(body.age // 10) * 10}s",
        "ancestry": ANCESTRIES[largest] if max(body.ancestry) > 0.7 else "mixed",
        "weight": "low" if body.weight < 0.38 else "high" if body.weight > 0.62 else "average",
        "skin tone (Monk)": f"{round(person.skin.tone) + 1:02d}",
        "hair": person.hair.style.name.lower(),
        "beard": person.hair.beard.name.lower(),
        "hat": person.outfit.hat.name.lower(),
        "glasses": person.outfit.glasses.name.lower(),
    }
