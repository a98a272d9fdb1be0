"""Who wears what: combinations of accessories, and which of them no training person has."""

import torch

from .distributions import draw_identity
from .splits import PuppetSeeds, Split

CHUNK = 5000
"""People drawn together; nothing is rendered."""

Wearing = tuple[int, ...]
"""Numbers of HatKind, GlassesKind, BeardKind and PaintKind, then whether there is a moustache, and earrings."""


def wearing(split: Split, numbers: range | list[int]) -> list[Wearing]:
    """What the people with these numbers of a split have on their heads and in their faces."""
    identity = draw_identity(PuppetSeeds.of(split, numbers).identity)
    outfit, hair = identity.outfit, identity.hair
    kinds = (outfit.hat, outfit.glasses, hair.beard, identity.skin.paint, hair.moustache, outfit.earrings)
    return [tuple(row) for row in torch.cat(kinds, 1).int().tolist()]


def combinations_of(split: Split, people: int) -> set[Wearing]:
    """Every combination that the first people of a split wear."""
    return {kinds for start in range(0, people, CHUNK) for kinds in wearing(split, range(start, min(start + CHUNK, people)))}


def unseen_people(split: Split, *, trained: int, count: int, searched: int = 20_000) -> list[int]:
    """The first people of a split whose combination none of the first `trained` training people wears.

    Each single accessory occurs in training (the world holds none out): it is the combination that is new.

    Raises:
        ValueError: there are fewer among the first `searched` people.
    """
    seen = combinations_of(Split.TRAIN, trained)
    found: list[int] = []
    for start in range(0, searched, CHUNK):
        numbers = range(start, min(start + CHUNK, searched))
        found += [number for number, kinds in zip(numbers, wearing(split, numbers), strict=True) if kinds not in seen]
        if len(found) >= count:
            return found[:count]
    raise ValueError(
        f"only {len(found)} of {searched} {split.name.lower()} people wear a combination that is new after {trained} training people: "
        f"ask for at most so many, not {count}"
    )
