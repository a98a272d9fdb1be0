"""The sample that a student has answered worst lately: often an identity who shouldn't have been
drawn at all.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.runs.processes import gather_from_all, largest_of_all
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


class WorstSample:
    """Remembers the identity whose novel view was answered worst in training, by the mean absolute
    difference of the pictures.

    Where a plan compares no views, it is the planes' difference. What isn't finite is the guard's
    affair.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begins anew."""
        self.identity: DistillationBatch | None = None
        self.difference = -math.inf

    @torch.no_grad()
    def follow(
        self, identities: DistillationBatch, prediction: Triplane, seen: Mapping[str, Rendering]
    ) -> None:
        """Looks at the identities of a step (or of a part of it)."""
        pairs = (
            (seen["novel"].image, identities.novel.rendering.image)
            if "novel" in seen
            else (prediction.planes, identities.triplane.planes)
        )
        differences = (
            (pairs[0] - pairs[1]).abs().flatten(1).mean(1).nan_to_num(-math.inf, -math.inf)
        )
        difference, index = differences.max(0)
        if float(difference) > self.difference:
            self.difference = float(difference)
            row = int(index)
            self.identity = _changed(
                identities, lambda tensor: tensor[row : row + 1].detach().clone()
            )  # not a view, which keeps all

    def of_all(
        self, trainer: Trainer, device: torch.device
    ) -> tuple[DistillationBatch, float] | None:
        """The worst of all processes and the difference; to be asked in all of them at once. None
        before the first step.
        """
        [worst] = largest_of_all(trainer, self.difference)
        is_here = self.identity is not None and self.difference >= worst
        identities = gather_from_all(
            trainer, _changed(self.identity, Tensor.cpu) if is_here else None
        )
        found = next((identity for identity in identities if identity is not None), None)
        return None if found is None else (_changed(found, lambda tensor: tensor.to(device)), worst)


def _changed(record: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A record with all its tensors changed."""
    if isinstance(record, Tensor):
        return change(record)
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        fields = {
            field.name: _changed(getattr(record, field.name), change)
            for field in dataclasses.fields(record)
        }
        return dataclasses.replace(record, **fields)
    return record
