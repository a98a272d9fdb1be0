"""The sample with the largest error of late: often one that shouldn't have been drawn."""

import math
from collections.abc import Mapping

import torch
from lightning import Trainer
from torch import Tensor

from pipeline.batch import DistillationBatch, map_tensors
from pipeline.runs.processes import gather_from_all, largest_of_all
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


class WorstSample:
    """Keeps the training sample with the largest mean absolute difference between the student's and
    the teacher's novel view.

    In a plan that compares no views, it is the difference of the planes. Differences that aren't
    finite don't count: `NonFiniteGuard` reports them.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the sample."""
        self.sample: DistillationBatch | None = None
        self.difference = -math.inf

    @torch.no_grad()
    def update(
        self,
        batch: DistillationBatch,
        prediction: Triplane,
        renderings: Mapping[str, Rendering],
    ) -> None:
        """Compares the samples of a batch with the worst so far.

        Args:
            renderings: of the prediction, by view.
        """
        pairs = (
            (renderings["novel"].image, batch.novel.rendering.image)
            if "novel" in renderings
            else (prediction.planes, batch.triplane.planes)
        )
        differences = (
            (pairs[0] - pairs[1]).abs().flatten(1).mean(1).nan_to_num(-math.inf, -math.inf)
        )
        difference, index = differences.max(0)
        if float(difference) > self.difference:
            self.difference = float(difference)
            row = int(index)
            # A copy: a view would keep the whole batch in memory.
            self.sample = map_tensors(lambda tensor: tensor[row : row + 1].detach().clone(), batch)

    def of_all(
        self, trainer: Trainer, device: torch.device
    ) -> tuple[DistillationBatch, float] | None:
        """The worst sample of all processes and its difference; None before the first step. All
        processes must call this together.
        """
        [worst] = largest_of_all(trainer, self.difference)
        is_here = self.sample is not None and self.difference >= worst
        samples = gather_from_all(
            trainer, map_tensors(Tensor.cpu, self.sample) if is_here else None
        )
        found = next((sample for sample in samples if sample is not None), None)
        if found is None:
            return None
        return map_tensors(lambda tensor: tensor.to(device), found), worst
