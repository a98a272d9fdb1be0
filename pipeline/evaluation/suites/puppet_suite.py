"""Held-out puppets at fixed cameras."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.background import background_of
from pipeline.worlds.puppets.body import Part
from pipeline.worlds.puppets.distributions import draw_identity, luminance
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import WorldSeeds
from teachers.passport import Passport

from .world_suite import SPLIT, WorldSuite

PARTS = {
    "face": (Part.SKIN, Part.EYE, Part.MOUTH),
    "hair": (Part.HAIR,),
    "accessories": (Part.HAT, Part.GLASSES, Part.LENS, Part.JEWEL),
    "clothes": (Part.CLOTHES,),
}

SKIN_TONES = ((0.45, "dark"), (0.66, "medium"), (1.0, "light"))
"""Upper limits of the luminance of the skin's albedo; the world draws luminance uniformly."""


@dataclass(frozen=True, kw_only=True)
class PuppetSuite(WorldSuite):
    """Puppets, in groups by the skin's tone."""

    name = "puppets"
    world = "puppets"
    subject = "puppet"

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """Face, hair, accessories, clothes."""
        return {name: tuple(int(part) for part in parts) for name, parts in PARTS.items()}

    @functools.cached_property
    def groups(self) -> list[str]:
        """dark, medium or light."""
        tones = luminance(
            draw_identity(self.seeds(range(self.identities)).identity).skin.tone
        ).flatten()
        return [
            next(name for limit, name in SKIN_TONES if value <= limit)
            for value in tones.clamp(max=1.0).tolist()
        ]


def photograph_of(
    subject: int, passport: Passport, *, yaw_deg: float, resolution: int
) -> Float[Tensor, "3 resolution resolution"]:
    """An image of one test puppet in [-1, 1], from the teacher's camera and on its background."""
    camera = passport.orbit(torch.tensor([yaw_deg]).deg2rad())
    views = PuppetWorld(supersampling=2).render(WorldSeeds.of(SPLIT, [subject]), camera, resolution)
    return views.image(background_of(passport))[0]
