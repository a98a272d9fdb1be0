"""Combinations of accessories, and which of them no training identity has."""

import torch

from pipeline.worlds.splits import Split, WorldSeeds

from .distributions import draw_identity

CHUNK = 5000
"""Identities drawn together; nothing is rendered."""

Wearing = tuple[int, ...]
"""Numbers of HatKind, GlassesKind, BeardKind and PaintKind, then whether there is a moustache, and
earrings.
"""


def wearing(split: Split, numbers: range | list[int]) -> list[Wearing]:
    """The accessories of the identities with these numbers of a split."""
    identity = draw_identity(WorldSeeds.of(split, numbers).identity)
    outfit, hair = identity.outfit, identity.hair
    kinds = (
        outfit.hat,
        outfit.glasses,
        hair.beard,
        identity.skin.paint,
        hair.moustache,
        outfit.earrings,
    )
    return [tuple(row) for row in torch.cat(kinds, 1).int().tolist()]


def combinations_of(split: Split, identities: int) -> set[Wearing]:
    """Every combination that the first identities of a split wear."""
    return {
        kinds
        for start in range(0, identities, CHUNK)
        for kinds in wearing(split, range(start, min(start + CHUNK, identities)))
    }


def unseen_identities(
    split: Split, *, trained: int, count: int, searched: int = 20_000
) -> list[int]:
    """The first identities of a split whose combinations no trained identity has.

    Trained are the first `trained` ones of the training split.

    Each single accessory occurs in training; only the combination is new.

    Raises:
        ValueError: there are fewer among the first `searched` identities.
    """
    seen = combinations_of(Split.TRAIN, trained)
    found: list[int] = []
    for start in range(0, searched, CHUNK):
        numbers = range(start, min(start + CHUNK, searched))
        found += [
            number
            for number, kinds in zip(numbers, wearing(split, numbers), strict=True)
            if kinds not in seen
        ]
        if len(found) >= count:
            return found[:count]
    raise ValueError(
        f"only {len(found)} of {searched} {split.name.lower()} identities wear a combination that"
        f" is new after {trained} training identities: ask for at most so many, not {count}"
    )
