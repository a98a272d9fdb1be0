"""Calibration before the first step: the statistics of the teacher's planes."""

import torch

from pipeline.sampling.source import BatchSource
from students.two_stage import TwoStageEncoder

SMALLEST_SCALE = 1e-3
"""Lower limit of a channel's deviation, relative to the mean deviation: scales must be positive."""


@torch.no_grad()
def calibrate(
    encoder: TwoStageEncoder, sampler: BatchSource, *, samples: int = 64, batch_size: int = 8
) -> None:
    """Sets the encoder's plane statistics, per channel, from sample numbers 0 to `samples` - 1."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for start in range(0, samples, batch_size):
        planes = sampler.planes(range(start, min(start + batch_size, samples))).planes.double()
        count += planes.shape[0] * planes.shape[3] * planes.shape[4]
        total = total + planes.sum((0, 3, 4))
        squares = squares + planes.square().sum((0, 3, 4))
    mean = total / count
    deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
    deviation = deviation.clamp(min=SMALLEST_SCALE * float(deviation.mean()) + 1e-8)
    encoder.calibrate(mean.flatten().float(), deviation.flatten().float())
