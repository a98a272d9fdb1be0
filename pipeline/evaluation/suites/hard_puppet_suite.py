"""Test puppets that are hard to lift."""

import math
from dataclasses import dataclass

import torch

from pipeline.evaluation.items import ItemViews
from pipeline.worlds.puppets.census import unseen_identities
from pipeline.worlds.puppets.distributions import draw_background, draw_expression, draw_identity
from pipeline.worlds.puppets.factors import Light, Puppet
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import WorldSeeds

from .hard_world_suite import HardWorldSuite, Lit, Turned
from .puppet_suite import PuppetSuite
from .world_suite import SPLIT


@dataclass(frozen=True, kw_only=True)
class TurnedPuppets(Turned, PuppetSuite):
    """Puppets whose input is from the side."""


@dataclass(frozen=True, kw_only=True)
class LitPuppets(Lit, PuppetSuite):
    """Puppets in one hard light."""

    def _render(self, subject: int) -> ItemViews:
        seeds = WorldSeeds.of(SPLIT, [subject] * self.views)
        puppet = Puppet(draw_identity(seeds.identity), draw_expression(seeds.expression))
        world = PuppetWorld(supersampling=self.supersampling)
        views = world.render_puppet(
            puppet,
            self._light(subject),
            draw_background(seeds.background),
            self.cameras(subject),
            self.context.passport.image_resolution,
        )
        return self.as_items(views)

    def _light(self, subject: int) -> Light:
        yaw, pitch, warmth = self.hard_light(subject)
        direction = torch.tensor(
            [[[math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]]]
        )
        return Light(
            direction=direction.expand(self.views, 1, 3),
            color=torch.tensor([[[1 + 0.25 * warmth, 1.0, 1 - 0.3 * warmth]]]).expand(
                self.views, 1, 3
            )
            * 1.1,
            ambient=torch.full((self.views, 1), 0.18),
            gloss=torch.full((self.views, 1), 0.35),
        )


@dataclass(frozen=True, kw_only=True)
class HardPuppetSuite(HardWorldSuite):
    """Puppets of each hard split.

    Args:
        trained_identities: number of training identities of which none wears a combination of the
            split "accessories". No single accessory is held out of training: the combinations are
            new, their parts aren't.
    """

    name = "puppets_hard"
    plain, turned, lit = PuppetSuite, TurnedPuppets, LitPuppets
    held_out = (
        "no accessory is held out of training: the split 'accessories' shows combinations that no"
        " training identity wears"
    )

    trained_identities: int = 20_000

    def with_accessories(self) -> list[int]:
        """Those whose combination no training identity wears."""
        return unseen_identities(SPLIT, trained=self.trained_identities, count=self.identities)
