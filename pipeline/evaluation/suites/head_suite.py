"""Held-out people of the world of heads at fixed cameras."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.part import Part

from .world_suite import WorldSuite

PARTS = {
    "face": (Part.SKIN, Part.EYE, Part.MOUTH, Part.TEETH, Part.LASHES),
    "hair": (Part.HAIR,),
    "ears and neck": (Part.EAR, Part.NECK),
    "accessories": (Part.HAT, Part.GLASSES, Part.LENS, Part.JEWEL, Part.MASK),
    "clothes": (Part.CLOTHES,),
}

MONK_TONES = ((3.0, "light"), (6.0, "medium"), (9.0, "dark"))
"""Upper limits on the Monk scale from 0 to 9, which the world draws uniformly."""


@dataclass(frozen=True, kw_only=True)
class HeadSuite(WorldSuite):
    """People, in groups by the skin's tone. Needs the extra `heads`."""

    name = "heads"
    world = "heads"
    subject = "head"

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """Face, hair, ears and neck, accessories, clothes."""
        return {name: tuple(int(part) for part in parts) for name, parts in PARTS.items()}

    @functools.cached_property
    def groups(self) -> list[str]:
        """light, medium or dark."""
        seeds = self.seeds(range(self.identities)).identity
        tones = [draw_identity(seed).skin.tone for seed in seeds]
        return [next(name for limit, name in MONK_TONES if tone <= limit) for tone in tones]
