"""Held-out identities of the student's own teacher, of which every stage is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pipeline.evaluation.items import Item, ItemViews, Observation, SuiteContext
from pipeline.evaluation.methods import MethodEntry
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.source import Sampler
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .attribution import Attribution, ReferenceHead, attribution_table
from .invariance import Invariance, invariance_table
from .lazy_items import LazyItems
from .suite import Suite


@dataclass(frozen=True, kw_only=True)
class TeacherSuite(Suite):
    """Identities of sample numbers that no training draws. The input is rendered by the augmented
    reference camera; the views are that one and novel ones.

    References are rendered without ray jitter, like predictions.

    Args:
        context: with the teacher's sampler.
        identities: their number.
        views: of each identity, including the input.
        seed: of the identities and their cameras. Even a training with this seed doesn't draw these
            sample numbers.
        first: sample number of the first identity.
        attribution: settings of the error attribution.
        invariance: settings of the invariance table.
    """

    name = "teacher"

    context: SuiteContext
    identities: int = 24
    views: int = 4
    seed: int = 0
    first: int = FIRST_HELD_OUT
    attribution: Attribution = field(default_factory=Attribution)
    invariance: Invariance = field(default_factory=Invariance)

    def __post_init__(self) -> None:
        if self.identities < 1 or self.views < 1:
            raise ValueError(
                f"identities={self.identities}, views={self.views}: the suite needs at least 1"
                " identity and 1 view"
            )
        if self.first < FIRST_HELD_OUT:
            raise ValueError(
                f"first is {self.first}: sample numbers below {FIRST_HELD_OUT} are for training"
            )
        if self.context.sampler is None:
            raise ValueError(
                "this suite needs the student's teacher: give teacher=…, the one that it was"
                " distilled from"
            )
        if self.context.passport.sr_latent == "teacher_w":
            raise ValueError(
                "this teacher's super-resolution takes each identity's own w, which a student can't"
                " predict: convert it with sr_latent=w_mean"
            )

    def settings(self) -> dict[str, Any]:
        """The arguments without the context."""
        chosen = {name: getattr(self, name) for name in ("identities", "views", "seed", "first")}
        return {
            **chosen,
            "attribution": self.attribution.as_dict(),
            "invariance": self.invariance.as_dict(),
        }

    def manifest(self) -> dict[str, Any]:
        """The sample numbers. They, the seed and the teacher's hash determine the identities."""
        passport = self.context.passport
        return {
            "licence": passport.licence,
            "split": f"sample numbers from {FIRST_HELD_OUT} on",
            "teacher": passport.name,
            "teacher_hash": passport.source_hash,
            "cameras": "given: those of the distillation's reference and novel views",
            "items": [
                {"name": _name(number), "sample": number, "views": self.views}
                for number in self._numbers
            ],
        }

    def items(self) -> Sequence[Item]:
        """One identity each."""
        return LazyItems(self.identities, self._item)

    def extras(self, methods: Sequence[MethodEntry]) -> dict[str, Any]:
        """Attribution and invariance."""
        found: dict[str, Any] = {}
        if self.attribution.items:
            heads = [self.head(number) for number in self._numbers[: self.attribution.items]]
            found["attribution"] = attribution_table(methods, heads, self.attribution)
        if self.invariance.items:
            pictures = [
                self.head(number).image for number in self._numbers[: self.invariance.items]
            ]
            found["invariance"] = invariance_table(methods, pictures, self.invariance)
        return found

    @torch.no_grad()
    def head(self, number: int) -> ReferenceHead:
        """All stages of one identity, on the sampler's device; the image has the teacher's size."""
        sampler = self._sampler
        draws = sampler.draw([number])
        novel = [
            sampler.cameras.novel.draw(self.seed, [number], f"evaluation/novel/{view}")
            for view in range(self.views - 1)
        ]
        cameras = Camera.cat([draws.reference, *novel]).to(sampler.device)
        triplane = sampler.synthesize(draws)
        rendering = _rendered(sampler, triplane, cameras[:1])
        image = sampler.input_image(torch.tensor([number], device=sampler.device), rendering)[0]
        return ReferenceHead(image, triplane, sampler.teacher.renderer, cameras)

    def _item(self, index: int) -> Item:
        number = self._numbers[index]
        head = self.head(number)
        seen = Observation.of(_rendered(self._sampler, head.triplane, head.cameras))
        reference = ItemViews(
            *(value.float().cpu() for value in (seen.image.clamp(-1, 1), seen.depth, seen.opacity))
        )
        cameras = head.cameras.to(torch.device("cpu"))
        return Item(
            name=_name(number),
            image=head.image.float().cpu(),
            targets=cameras,
            camera=cameras[:1],
            reference=reference,
        )

    @property
    def _numbers(self) -> range:
        return range(self.first, self.first + self.identities)

    @property
    def _sampler(self) -> Sampler:
        assert self.context.sampler is not None
        return self.context.sampler.for_scores(self.seed)


@torch.no_grad()
def _rendered(sampler: Sampler, triplane: Triplane, cameras: Camera) -> Rendering:
    pictures: list[Rendering] = [
        sampler.teacher.renderer(triplane, cameras[row : row + 1]) for row in range(len(cameras))
    ]
    values: Mapping[str, Any] = {
        name: torch.cat([getattr(picture, name) for picture in pictures])
        for name in vars(pictures[0])
    }
    return Rendering(**values)


def _name(number: int) -> str:
    return f"sample{number}"
