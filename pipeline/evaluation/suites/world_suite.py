"""Held-out identities of a world at fixed cameras, with exact images, depth, normals and
silhouettes.
"""

import dataclasses
import functools
import hashlib
import json
import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from pipeline.evaluation.items import Item, ItemViews, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.inference.background import background_of
from pipeline.runs.tensor_file import write_tensors
from pipeline.sampling.random_streams import stream
from pipeline.worlds.opening import open_world, world_facts
from pipeline.worlds.splits import Split, WorldSeeds
from pipeline.worlds.views import WorldViews
from pipeline.worlds.world import World
from teachers.rendering.camera import Camera

from .coverage import coverage_table
from .invariance import Invariance, invariance_table
from .lazy_items import LazyItems
from .suite import Suite

log = logging.getLogger(__name__)

SPLIT = Split.TEST
"""No teacher and no student has been trained on this split; nothing was chosen on it but the
sampler of `puppets_tiny` (see its card).
"""

SPLITS = {"test": Split.TEST, "validate": Split.VALIDATE}
"""What may be evaluated: results are of the first, choices between students of the second."""

OTHER_LIGHT = 500_000
"""Offset between an identity's number and that of the other light under which it is shown."""


@dataclass(frozen=True, kw_only=True)
class WorldSuite(Suite):
    """The first identities of a split on the teacher's background, each with an input and novel
    views.

    The input's yaw is within ± `input_yaw_deg`. The yaw gaps of the novel views go through the bins
    between `gaps_deg` in turn, on a side where the yaw stays within ± `limit_deg`. The seed alone
    determines the cameras. A subclass says which world, and how its identities are grouped; groups
    are known before anything is drawn.

    Args:
        context: its teacher's cameras and background are used.
        identities: their number.
        split: "test"; or "validate", to choose between students without looking at the test split.
        views: of each identity, including the input.
        supersampling: every pixel is the mean of this number squared of samples.
        input_yaw_deg: largest yaw of the input.
        pitch_deg: largest pitch of any view.
        limit_deg: largest yaw of any view; a gap that exceeds it on both sides is shortened.
        gaps_deg: edges of the bins of yaw gaps.
        seed: of the cameras.
        invariance: settings of the invariance table, which here includes other light.
        cache: folder for renderings; None doesn't store them.
    """

    world: ClassVar[str]
    """Its name (`pipeline.worlds.opening.WORLDS`)."""
    subject: ClassVar[str]
    """What an identity is called, in names of items."""

    context: SuiteContext
    identities: int = 24
    split: str = "test"
    views: int = 5
    supersampling: int = 2
    input_yaw_deg: int | float = 30.0
    pitch_deg: int | float = 10.0
    limit_deg: int | float = 50.0
    gaps_deg: list[int | float] | tuple[int | float, ...] = (0.0, 15.0, 30.0, 45.0, 60.0)
    seed: int = 0
    invariance: Invariance = field(default_factory=Invariance)
    cache: str | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"suite.split is {self.split!r}: use one of {', '.join(SPLITS)}")
        if self.identities < 1 or self.views < 2:
            raise ValueError(
                f"identities={self.identities}, views={self.views}: the suite needs at least 1"
                " identity and 2 views of each"
            )
        if (
            list(self.gaps_deg) != sorted(set(self.gaps_deg))
            or len(self.gaps_deg) < 2
            or self.gaps_deg[0] < 0
        ):
            raise ValueError(
                f"gaps_deg is {list(self.gaps_deg)}: give at least two rising edges from 0 on, in"
                " degrees"
            )
        if self.split != "test":
            object.__setattr__(self, "name", f"{self.name}_{self.split}")

    def manifest(self) -> dict[str, Any]:
        """The identities. Their numbers, the settings and the world's version fix the images."""
        identities = [
            {"name": self.name_of(subject), "subject": subject, "views": self.views, "group": group}
            for subject, group in enumerate(self.groups)
        ]
        return {
            "licence": "Apache-2.0 (drawn by trilift)",
            "split": self.split,
            "world_version": world_facts(self.world)[0],
            "cameras": "given: the teacher's own distance, look-at point and focal length",
            "items": identities,
        }

    def items(self) -> Sequence[Item]:
        """One identity each, rendered or read from the cache when it is indexed."""
        return LazyItems(self.identities, self._item)

    @functools.cached_property
    @abstractmethod
    def groups(self) -> list[str]:
        """Of each identity."""

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Camera coverage and invariance."""
        found: dict[str, Any] = {}
        if self.context.sampler is not None:
            given = Camera.cat([self.cameras(subject)[:1] for subject in range(self.identities)])
            found["coverage"] = coverage_table(given, self.context.sampler.cameras.reference)
        if self.invariance.items:
            pictures = [
                self.reference(subject).image[0]
                for subject in range(min(self.identities, self.invariance.items))
            ]
            found["invariance"] = invariance_table(methods, pictures, self.invariance, self.relit)
        return found

    def relit(self, subject: int) -> Float[Tensor, "3 height width"]:
        """The input of a subject in another light."""
        passport = self.context.passport
        seeds = self.seeds([subject]).with_light([subject + OTHER_LIGHT])
        views = self.opened().render(seeds, self.cameras(subject)[:1], passport.image_resolution)
        return views.image(background_of(passport))[0].clamp(-1, 1)

    def cameras(self, subject: int) -> Camera:
        """The `views` cameras of a subject, at the teacher's distance, pivot and focal length."""
        angles = torch.tensor(self._angles(subject)).deg2rad()
        return self.context.passport.orbit(angles[:, 0], angles[:, 1])

    def reference(self, subject: int) -> ItemViews:
        """The views of a subject: rendered, or read from the cache."""
        path = (
            None
            if self.cache is None
            else Path(self.cache) / f"{self.world}-{self._key()[:16]}" / f"{subject}.safetensors"
        )
        reference = None if path is None else _read(path)
        if reference is None:
            reference = self._render(subject)
            if path is not None:
                write_tensors(path, dict(vars(reference)))
        return reference

    def _item(self, subject: int) -> Item:
        camera, reference = self.cameras(subject), self.reference(subject)
        return Item(
            name=self.name_of(subject),
            image=reference.image[0],
            targets=camera,
            subject=self.name_of(subject),
            group=self.groups[subject],
            camera=camera[:1],
            reference=reference,
        )

    def _angles(self, subject: int) -> list[tuple[float, float]]:
        """Yaw and pitch in degrees of each view."""
        random = stream(self.seed, subject, f"evaluation/{self.world}")
        given = random.uniform(-self.input_yaw_deg, self.input_yaw_deg)
        angles = [(given, random.uniform(-self.pitch_deg, self.pitch_deg))]
        for view in range(self.views - 1):
            bin_number = view % (len(self.gaps_deg) - 1)
            gap = random.uniform(self.gaps_deg[bin_number], self.gaps_deg[bin_number + 1])
            angles.append(
                (
                    self._at_gap(given, gap, random.random() < 0.5),
                    random.uniform(-self.pitch_deg, self.pitch_deg),
                )
            )
        return angles

    def _at_gap(self, given: float, gap: float, prefers_right: bool) -> float:
        side = 1.0 if prefers_right else -1.0
        if abs(given + side * gap) > self.limit_deg:
            side = -1.0 if given > 0 else 1.0
        return float(max(-self.limit_deg, min(self.limit_deg, given + side * gap)))

    def _render(self, subject: int) -> ItemViews:
        passport = self.context.passport
        seeds = self.seeds([subject] * self.views)
        views = self.opened().render(seeds, self.cameras(subject), passport.image_resolution)
        return self.as_items(views)

    def as_items(self, views: WorldViews) -> ItemViews:
        """Views of the world on the teacher's background."""
        image = views.image(background_of(self.context.passport)).clamp(-1, 1)
        return ItemViews(
            image, views.depth, views.opacity, views.normal, views.part.to(torch.uint8)
        )

    def opened(self) -> World:
        """The world, at the suite's supersampling."""
        return open_world(self.world, supersampling=self.supersampling)

    def seeds(self, subjects: list[int] | range) -> WorldSeeds:
        """Of some subjects, in the suite's split."""
        return WorldSeeds.of(SPLITS[self.split], subjects)

    def name_of(self, subject: int) -> str:
        """Of its item: no two splits share one, so that what was made for one isn't taken for the
        other's.
        """
        split = "" if self.split == "test" else f"{self.split}-"
        return f"{split}{self.subject}{subject:05d}"

    def _key(self) -> str:
        """Hash of everything that determines the images of a subject."""
        passport = self.context.passport
        digest = hashlib.sha256(f"world {world_facts(self.world)[0]}".encode())
        seen = {
            "resolution": passport.image_resolution,
            "background": background_of(passport),
            "split": SPLITS[self.split].name,
        }
        chosen = {
            name: value
            for name, value in self.settings().items()
            if name not in ("identities", "invariance")
        }
        digest.update(json.dumps({**chosen, **seen}, sort_keys=True).encode())
        digest.update(self.cameras(0).label().numpy().tobytes())
        return digest.hexdigest()

    def settings(self) -> dict[str, Any]:
        """The arguments without context and cache."""
        left_out = ("context", "cache")
        settings = {
            entry.name: getattr(self, entry.name)
            for entry in dataclasses.fields(self)
            if entry.name not in left_out
        }
        if self.split == "test":  # as evaluations say that know no other
            del settings["split"]
        return settings | {
            "gaps_deg": [float(edge) for edge in self.gaps_deg],
            "invariance": self.invariance.as_dict(),
        }


def _read(path: Path) -> ItemViews | None:
    """A cached rendering; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        return ItemViews(**safetensors.torch.load_file(path))
    except (SafetensorError, TypeError) as error:
        log.warning("%s can't be used (%s): rendering again", path, error)
        return None
