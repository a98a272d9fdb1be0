"""Test puppets that are hard to lift: large pose, new combinations of accessories, hard light,
blur, noise, occlusion.
"""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from pipeline.evaluation.items import Item, ItemViews, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.inference.background import background_of
from pipeline.sampling.random_streams import stream
from pipeline.worlds.puppets.census import unseen_identities
from pipeline.worlds.puppets.distributions import draw_background, draw_expression, draw_identity
from pipeline.worlds.puppets.factors import Light, Puppet
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import WorldSeeds
from teachers.rendering.camera import Camera

from .coverage import coverage_table
from .degradations import Picture, blurred, noisy, occluded
from .lazy_items import LazyItems
from .puppet_suite import SPLIT, PuppetSuite
from .suite import Suite

SPLITS = ("pose", "accessories", "light", "blur", "noise", "occlusion")


@dataclass(frozen=True, kw_only=True)
class TurnedPuppets(PuppetSuite):
    """Puppets whose input is from the side: its yaw is at least `least_yaw_deg`."""

    least_yaw_deg: int | float = 45.0

    def _angles(self, subject: int) -> list[tuple[float, float]]:
        random = stream(self.seed, subject, "evaluation/turned puppets")
        side = 1.0 if random.random() < 0.5 else -1.0
        given = side * random.uniform(self.least_yaw_deg, self.input_yaw_deg)
        angles = [(given, random.uniform(-self.pitch_deg, self.pitch_deg))]
        for view in range(self.views - 1):
            low, high = list(pairwise(self.gaps_deg))[view % (len(self.gaps_deg) - 1)]
            toward_front = self._at_gap(given, random.uniform(low, high), prefers_right=given < 0)
            angles.append((toward_front, random.uniform(-self.pitch_deg, self.pitch_deg)))
        return angles


@dataclass(frozen=True, kw_only=True)
class LitPuppets(PuppetSuite):
    """Puppets in one hard light from the side with little ambient light, in all views."""

    def _key(self) -> str:
        return hashlib.sha256(f"hard light {super()._key()}".encode()).hexdigest()

    def _render(self, subject: int) -> ItemViews:
        passport = self.context.passport
        seeds = WorldSeeds.of(SPLIT, [subject] * self.views)
        puppet = Puppet(draw_identity(seeds.identity), draw_expression(seeds.expression))
        world = PuppetWorld(supersampling=self.supersampling)
        light, background = self._light(subject), draw_background(seeds.background)
        views = world.render_puppet(
            puppet, light, background, self.cameras(subject), passport.image_resolution
        )
        image = views.image(background_of(passport)).clamp(-1, 1)
        return ItemViews(
            image, views.depth, views.opacity, views.normal, views.part.to(torch.uint8)
        )

    def _light(self, subject: int) -> Light:
        random = stream(self.seed, subject, "evaluation/hard light")
        yaw, pitch, warmth = (
            random.uniform(1.0, 1.5) * random.choice([-1, 1]),
            random.uniform(-0.2, 0.9),
            random.uniform(-1, 1),
        )
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
class HardPuppetSuite(Suite):
    """Test identities of each hard split; an item's group is its split. References are never
    degraded.

    Args:
        context: its teacher's cameras and background are used.
        splits: some of `SPLITS`.
        identities: number in each split.
        views: of each subject, including the input.
        supersampling, pitch_deg, limit_deg, gaps_deg, seed, cache: see `PuppetSuite`.
        input_yaw_deg: largest yaw of the inputs, except in the split "pose".
        turned_deg: least and largest yaw of the inputs in the split "pose".
        trained_identities: number of training identities of which none wears a combination of the
            split "accessories". No single accessory is held out of training: the combinations are
            new, their parts aren't.
        blur: standard deviation, as a share of the image side.
        noise: standard deviation, for images in [-1, 1].
        occlusion: area of the occluder, as a share of the image's middle half.
    """

    name = "puppets_hard"

    context: SuiteContext
    splits: list[str] | tuple[str, ...] = SPLITS
    identities: int = 8
    views: int = 4
    supersampling: int = 2
    input_yaw_deg: int | float = 30.0
    turned_deg: list[int | float] | tuple[int | float, ...] = (45.0, 75.0)
    pitch_deg: int | float = 10.0
    limit_deg: int | float = 75.0
    gaps_deg: list[int | float] | tuple[int | float, ...] = (0.0, 15.0, 30.0, 45.0, 60.0)
    trained_identities: int = 20_000
    blur: int | float = 0.02
    noise: int | float = 0.25
    occlusion: int | float = 0.25
    seed: int = 0
    cache: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.splits) - set(SPLITS))
        if unknown or not self.splits:
            raise ValueError(f"splits has {unknown or 'nothing'}: choose from {', '.join(SPLITS)}")
        if self.identities < 1:
            raise ValueError(f"identities={self.identities}: give at least 1 identity per split")

    def settings(self) -> dict[str, Any]:
        """The arguments without context and cache."""
        left_out = ("context", "cache")
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in left_out
        }
        return {
            name: list(value) if isinstance(value, list | tuple) else value
            for name, value in values.items()
        }

    def manifest(self) -> dict[str, Any]:
        """The identities of each split; the rest as for the plain puppets."""
        items = [
            {"name": _name(split, number), "split": split, "subject": number, "views": self.views}
            for split, number in self._chosen
        ]
        plain = self._puppets("blur").manifest()
        return {
            **{key: plain[key] for key in ("licence", "split", "world_version", "cameras")},
            "held_out": HELD_OUT,
            "items": items,
        }

    def items(self) -> Sequence[Item]:
        """Split by split."""
        return LazyItems(len(self._chosen), self._item)

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """As for the plain puppets."""
        return self._puppets("blur").parts

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Camera coverage."""
        if self.context.sampler is None:
            return {}
        given = Camera.cat(
            [self._puppets(split).cameras(subject)[:1] for split, subject in self._chosen]
        )
        return {"coverage": coverage_table(given, self.context.sampler.cameras.reference)}

    def degraded(self, split: str, subject: int, image: Picture) -> Picture:
        """The input image of a split."""
        random = stream(self.seed, subject, f"evaluation/{split}")
        if split == "blur":
            return blurred(image, share=self.blur)
        if split == "noise":
            return noisy(image, random, deviation=self.noise)
        return occluded(image, random, share=self.occlusion) if split == "occlusion" else image

    def _item(self, index: int) -> Item:
        split, subject = self._chosen[index]
        puppets = self._puppets(split)
        camera, reference = puppets.cameras(subject), puppets.reference(subject)
        return Item(
            name=_name(split, subject),
            image=self.degraded(split, subject, reference.image[0]),
            targets=camera,
            subject=f"puppet{subject:05d}",
            group=split,
            camera=camera[:1],
            reference=reference,
        )

    @functools.cached_property
    def _chosen(self) -> list[tuple[str, int]]:
        numbers = {split: list(range(self.identities)) for split in self.splits}
        if "accessories" in numbers:
            numbers["accessories"] = unseen_identities(
                SPLIT, trained=self.trained_identities, count=self.identities
            )
        return [(split, subject) for split in self.splits for subject in numbers[split]]

    def _puppets(self, split: str) -> PuppetSuite:
        shared: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "context",
                "identities",
                "views",
                "supersampling",
                "pitch_deg",
                "gaps_deg",
                "seed",
                "cache",
            )
        }
        if split == "pose":
            low, high = self.turned_deg
            return TurnedPuppets(
                **shared, input_yaw_deg=high, least_yaw_deg=low, limit_deg=self.limit_deg
            )
        kind = LitPuppets if split == "light" else PuppetSuite
        return kind(**shared, input_yaw_deg=self.input_yaw_deg, limit_deg=self.limit_deg)


HELD_OUT = (
    "no accessory is held out of training: the split 'accessories' shows combinations that no"
    " training identity wears"
)


def _name(split: str, subject: int) -> str:
    return f"{split}-{subject:05d}"
