"""Scores inside the parts of a subject: where the reference shows face, hair, …"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from .image_metrics import aligned, depth_error, mean_inside, psnr
from .normals import normal_angles
from .scoring_input import Numbers, ScoringInput
from .view_metrics import BEST_PSNR

FEWEST_PIXELS = 8
"""A part of fewer pixels in a view has no score there."""


@torch.no_grad()
def part_scores(
    seen: ScoringInput, parts: Mapping[str, Sequence[int]]
) -> list[dict[str, dict[str, float]]]:
    """For each view the scores by part and metric; {} without a map of parts. Depth is aligned over
    the whole subject, not over the part.
    """
    if seen.reference is None or seen.reference.part is None or not parts:
        return [{} for _ in range(len(seen.prediction))]
    found = {
        part: _scores(seen, torch.isin(seen.reference.part, torch.tensor(list(numbers))))
        for part, numbers in parts.items()
    }
    return [
        {
            part: {metric: values[view].item() for metric, values in scores.items()}
            for part, scores in found.items()
        }
        for view in range(len(seen.prediction))
    ]


def _scores(seen: ScoringInput, inside: Bool[Tensor, "view 1 height width"]) -> dict[str, Numbers]:
    assert seen.reference is not None
    inside = inside & (inside.sum((1, 2, 3), keepdim=True) >= FEWEST_PIXELS)
    scores = {
        "psnr": psnr(seen.prediction.image, seen.reference.image, inside).clamp(max=BEST_PSNR)
    }
    if seen.depths is None:
        return scores
    depth, reference, where = seen.depths
    angles = normal_angles(seen)
    assert angles is not None
    return scores | {
        "depth": depth_error(depth, reference, where & inside),
        "depth_aligned": depth_error(aligned(depth, reference, where), reference, where & inside),
        "normal": mean_inside(angles[0], angles[1] & inside),
    }
