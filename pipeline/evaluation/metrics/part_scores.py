"""Scores of the parts of a subject: where truly face, hair, … is seen."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from .comparison import Comparison, Numbers
from .measures import BEST_PSNR
from .normals import mean_inside, normal_angles
from .picture_scores import aligned, depth_error, psnr

FEWEST_PIXELS = 8
"""A part that fewer pixels show gets no score."""


@torch.no_grad()
def part_scores(
    seen: Comparison, parts: Mapping[str, Sequence[int]]
) -> list[dict[str, dict[str, float]]]:
    """For each view, by part and metric; {} without a map of parts. Depth is aligned over the whole
    subject.
    """
    if seen.truth is None or seen.truth.part is None or not parts:
        return [{} for _ in range(len(seen.prediction))]
    found = {
        part: _scores(seen, torch.isin(seen.truth.part, torch.tensor(list(numbers))))
        for part, numbers in parts.items()
    }
    return [
        {
            part: {metric: values[view].item() for metric, values in scores.items()}
            for part, scores in found.items()
        }
        for view in range(len(seen.prediction))
    ]


def _scores(seen: Comparison, inside: Bool[Tensor, "view 1 height width"]) -> dict[str, Numbers]:
    assert seen.truth is not None
    inside = inside & (inside.sum((1, 2, 3), keepdim=True) >= FEWEST_PIXELS)
    scores = {"psnr": psnr(seen.prediction.image, seen.truth.image, inside).clamp(max=BEST_PSNR)}
    if seen.depths is None:
        return scores
    depth, truth, both = seen.depths
    angles = normal_angles(seen)
    assert angles is not None
    return scores | {
        "depth": depth_error(depth, truth, both & inside),
        "depth_aligned": depth_error(aligned(depth, truth, both), truth, both & inside),
        "normal": mean_inside(angles[0], angles[1] & inside),
    }
