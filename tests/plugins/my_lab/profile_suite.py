"""A plug-in suite: held-out identities of the teacher, given from the front, seen in profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.evaluation.items import Item, ItemViews, SuiteContext
from pipeline.evaluation.suites.suite import Suite
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT


@dataclass(frozen=True, kw_only=True)
class ProfileSuite(Suite):
    name = "profile"
    context: SuiteContext
    identities: int = 2

    def settings(self) -> dict[str, Any]:
        return {"identities": self.identities}

    def manifest(self) -> dict[str, Any]:
        items = [{"name": f"ball{n}", "views": 2} for n in range(self.identities)]
        return {"licence": "Apache-2.0", "items": items}

    def items(self) -> Sequence[Item]:
        return [self._item(n) for n in range(self.identities)]

    @torch.no_grad()
    def _item(self, index: int) -> Item:
        sampler = self.context.sampler.for_scores(0)
        triplane = sampler.planes([FIRST_HELD_OUT + index])
        cameras = self.context.passport.orbit(torch.tensor([0.0, 1.2]))
        seen = sampler.teacher.renderer(triplane.repeat_interleave(2), cameras)
        return Item(
            name=f"ball{index}",
            image=seen.image[0].clamp(-1, 1),
            targets=cameras,
            camera=cameras[:1],
            reference=ItemViews(seen.image.clamp(-1, 1), seen.depth, seen.opacity),
        )
