"""Test identities of a world that are hard to lift: large pose, accessories, hard light, blur,
noise, occlusion.
"""

import dataclasses
import functools
import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from pipeline.evaluation.items import Item, ItemViews, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.sampling.random_streams import stream
from teachers.rendering.camera import Camera

from .coverage import coverage_table
from .degradations import Picture, blurred, noisy, occluded
from .lazy_items import LazyItems
from .suite import Suite
from .world_suite import WorldSuite

SPLITS = ("pose", "accessories", "light", "blur", "noise", "occlusion")


@dataclass(frozen=True, kw_only=True)
class Turned(WorldSuite):
    """Identities whose input is from the side: its yaw is at least `least_yaw_deg`."""

    least_yaw_deg: int | float = 45.0

    def _angles(self, subject: int) -> list[tuple[float, float]]:
        random = stream(self.seed, subject, f"evaluation/turned {self.world}")
        side = 1.0 if random.random() < 0.5 else -1.0
        given = side * random.uniform(self.least_yaw_deg, self.input_yaw_deg)
        angles = [(given, random.uniform(-self.pitch_deg, self.pitch_deg))]
        for view in range(self.views - 1):
            low, high = list(pairwise(self.gaps_deg))[view % (len(self.gaps_deg) - 1)]
            toward_front = self._at_gap(given, random.uniform(low, high), prefers_right=given < 0)
            angles.append((toward_front, random.uniform(-self.pitch_deg, self.pitch_deg)))
        return angles


@dataclass(frozen=True, kw_only=True)
class Lit(WorldSuite):
    """Identities in one hard light from the side with little ambient light, in all views."""

    def _key(self) -> str:
        return hashlib.sha256(f"hard light {super()._key()}".encode()).hexdigest()

    @abstractmethod
    def _render(self, subject: int) -> ItemViews: ...

    def hard_light(self, subject: int) -> tuple[float, float, float]:
        """Yaw and pitch of where it comes from, radians, and its warmth in [-1, 1]."""
        random = stream(self.seed, subject, "evaluation/hard light")
        yaw, pitch, warmth = (
            random.uniform(1.0, 1.5) * random.choice([-1, 1]),
            random.uniform(-0.2, 0.9),
            random.uniform(-1, 1),
        )
        return yaw, pitch, warmth


@dataclass(frozen=True, kw_only=True)
class HardWorldSuite(Suite):
    """Test identities of each hard split; an item's group is its split. References are never
    degraded.

    Args:
        context: its teacher's cameras and background are used.
        splits: some of `SPLITS`.
        identities: number in each split.
        views: of each subject, including the input.
        supersampling, pitch_deg, limit_deg, gaps_deg, seed, cache: see `WorldSuite`.
        input_yaw_deg: largest yaw of the inputs, except in the split "pose".
        turned_deg: least and largest yaw of the inputs in the split "pose".
        blur: standard deviation, as a share of the image side.
        noise: standard deviation, for images in [-1, 1].
        occlusion: area of the occluder, as a share of the image's middle half.
    """

    plain: ClassVar[type[WorldSuite]]
    turned: ClassVar[type[Turned]]
    lit: ClassVar[type[Lit]]
    held_out: ClassVar[str]
    """What was held out of training, for the manifest."""

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
        """The identities of each split; the rest as for the plain chosen."""
        items = [
            {"name": _name(split, number), "split": split, "subject": number, "views": self.views}
            for split, number in self._chosen
        ]
        plain = self.suite_of("blur").manifest()
        return {
            **{key: plain[key] for key in ("licence", "split", "world_version", "cameras")},
            "held_out": self.held_out,
            "items": items,
        }

    def items(self) -> Sequence[Item]:
        """Split by split."""
        return LazyItems(len(self._chosen), self._item)

    @property
    def parts(self) -> Mapping[str, Sequence[int]]:
        """As for the plain chosen."""
        return self.suite_of("blur").parts

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Camera coverage."""
        if self.context.sampler is None:
            return {}
        given = Camera.cat(
            [self.suite_of(split).cameras(subject)[:1] for split, subject in self._chosen]
        )
        return {"coverage": coverage_table(given, self.context.sampler.cameras.reference)}

    @abstractmethod
    def with_accessories(self) -> list[int]:
        """Numbers of the identities of the split "accessories"."""

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
        chosen = self.suite_of(split)
        camera, reference = chosen.cameras(subject), chosen.reference(subject)
        return Item(
            name=_name(split, subject),
            image=self.degraded(split, subject, reference.image[0]),
            targets=camera,
            subject=chosen.name_of(subject),
            group=split,
            camera=camera[:1],
            reference=reference,
        )

    @functools.cached_property
    def _chosen(self) -> list[tuple[str, int]]:
        numbers = {split: list(range(self.identities)) for split in self.splits}
        if "accessories" in numbers:
            numbers["accessories"] = self.with_accessories()
        return [(split, subject) for split in self.splits for subject in numbers[split]]

    def suite_of(self, split: str) -> WorldSuite:
        """The identities, before their input is degraded."""
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
            return self.turned(
                **shared, input_yaw_deg=high, least_yaw_deg=low, limit_deg=self.limit_deg
            )
        kind = self.lit if split == "light" else self.plain
        return kind(**shared, input_yaw_deg=self.input_yaw_deg, limit_deg=self.limit_deg)


def _name(split: str, subject: int) -> str:
    return f"{split}-{subject:05d}"
