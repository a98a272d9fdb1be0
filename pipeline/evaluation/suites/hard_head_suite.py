"""Test people of the world of heads that are hard to lift."""

import itertools
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.items import ItemViews
from pipeline.worlds.heads.background import draw_background
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.factors import GlassesKind, HatKind, Identity, Light, Person
from pipeline.worlds.heads.light import KEY_IRRADIANCE, direction, lobe, metered_light
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import WorldSeeds

from .hard_world_suite import HardWorldSuite, Lit, Turned
from .head_suite import HeadSuite
from .world_suite import SPLIT

AMBIENT = 0.12
"""Of the hard light: share of the key light's irradiance that comes from everywhere."""

LEAST_WORN = 2
"""Of hat, glasses and mask, in the split "accessories"."""


@dataclass(frozen=True, kw_only=True)
class TurnedHeads(Turned, HeadSuite):
    """People whose input is from the side."""


@dataclass(frozen=True, kw_only=True)
class LitHeads(Lit, HeadSuite):
    """People in one hard light."""

    def _render(self, subject: int) -> ItemViews:
        seeds = WorldSeeds.of(SPLIT, [subject])
        identity = draw_identity(seeds.identity[0])
        person = Person(identity, draw_expression(seeds.expression[0], seeds.identity[0]))
        views = HeadWorld(supersampling=self.supersampling).render_people(
            [person] * self.views,
            [self._light(subject)] * self.views,
            [draw_background(seeds.background[0])] * self.views,
            self.cameras(subject),
            self.context.passport.image_resolution,
        )
        return self.as_items(views)

    def _light(self, subject: int) -> Light:
        yaw, pitch, warmth = self.hard_light(subject)
        color = np.array([1 + 0.25 * warmth, 1.0, 1 - 0.3 * warmth], np.float32)
        dim = np.full(3, AMBIENT * KEY_IRRADIANCE / np.pi, np.float32)
        key = lobe(direction(yaw, pitch), KEY_IRRADIANCE * color, 16.0)
        return metered_light(dim, dim, (key,), yaw)


@dataclass(frozen=True, kw_only=True)
class HardHeadSuite(HardWorldSuite):
    """People of each hard split; those of "accessories" wear at least two of hat, glasses, mask.
    Needs the extra `heads`.
    """

    name = "heads_hard"
    plain, turned, lit = HeadSuite, TurnedHeads, LitHeads
    held_out = "nothing is held out of training: the split 'accessories' shows rare combinations"

    def with_accessories(self) -> list[int]:
        """The first who wear so much."""
        numbers = (
            number
            for number in itertools.count()
            if _worn(draw_identity(WorldSeeds.of(SPLIT, [number]).identity[0])) >= LEAST_WORN
        )
        return list(itertools.islice(numbers, self.identities))


def _worn(person: Identity) -> int:
    outfit = person.outfit
    worn = (outfit.hat != HatKind.NONE, outfit.glasses != GlassesKind.NONE, outfit.mask > 0)
    return sum(worn)
