"""How near images with few learned samples are to images with many, on held-out identities."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.learned_marcher import LearnedMarcher
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.source import Sampler
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane

from .kept_best import KeptBest
from .proposal_training import ProposalTraining, Views, draw_views


def dense_images(
    renderer: TriplaneRenderer, views: Views, samples: int
) -> Float[Tensor, "batch 3 height width"]:
    """Views in EG3D's two passes of `samples` each."""
    dense = renderer.changed(first_pass="reused", depth_samples=samples, importance_samples=samples)
    with torch.no_grad():
        return dense(*views).image_raw


class ProposalScores(KeptBest):
    """Scores the network on held-out identities, keeps the best by `validation/psnr`: of images
    whose samples it has placed, against dense ones; over all pixels together, in dB.
    `validation/loss` is the training's.

    Args:
        sampler: of held-out identities.
        count: of them.
        batch_size: identities at once; doesn't change the scores.
        path: of the best network.
        every_steps: between two scores.
    """

    judged_by = "psnr"

    def __init__(
        self, sampler: Sampler, *, count: int, batch_size: int, path: Path, every_steps: int
    ) -> None:
        super().__init__(count=count, path=path, every_steps=every_steps)
        self.sampler, self.batch_size = sampler, batch_size
        self._kept: list[tuple[Triplane, Any, Tensor]] = []

    @torch.no_grad()
    def scores(self, module: ProposalTraining) -> dict[str, float]:
        """The scores by name."""
        if not self._kept:
            self._kept = self._draw(module)
        marcher = LearnedMarcher(proposals=module.result, **module.settings.marcher)
        renderer = module.renderer.changed(first_pass=marcher)
        chosen = torch.arange(module.renderer.resolution**2)
        losses, errors = [], []
        for triplane, camera, dense in self._kept:
            losses.append(float(module.compare(triplane, camera, chosen)) * len(triplane))
            error = (renderer(triplane, camera).image_raw - dense).square().mean((1, 2, 3))
            errors.append(float(error.sum()))
        return {
            "psnr": 10 * math.log10(4 / (sum(errors) / self.count + 1e-12)),
            "loss": sum(losses) / self.count,
        }

    def _draw(self, module: ProposalTraining) -> list[tuple[Triplane, Any, Tensor]]:
        """Held-out views, and their dense images."""
        self.sampler.to(module.device)
        end = FIRST_HELD_OUT + self.count
        kept = []
        for first in range(FIRST_HELD_OUT, end, self.batch_size):
            numbers = list(range(first, min(first + self.batch_size, end)))
            views = draw_views(self.sampler, numbers)
            samples = module.settings.reference_samples
            kept.append((*views, dense_images(module.renderer, views, samples)))
        return kept
