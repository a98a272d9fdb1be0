"""Planes that move smoothly, and the bundled student's normalisation."""

import pytest
import torch
from torch.nn import functional as F

from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.streaming.normalisation import Normalisation

pytest.importorskip("av", reason="no PyAV in this environment: pip install 'trilift[stream]'")


@pytest.fixture(scope="package")
def lifter() -> Lifter:
    return Lifter.load(student_file("bundled/puppets_tiny")).requires_grad_(False)


@pytest.fixture(scope="package")
def bundled() -> Normalisation:
    return Normalisation.read(student_file("bundled/puppets_tiny").with_suffix(".planes.json"))


def moving_planes(channels: int, side: int, count: int) -> torch.Tensor:
    """`[count 3 channels side side]`: blurred noise that drifts by a texel a frame."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3 * channels, side // 4, side // 4, generator=generator)
    fine = F.interpolate(coarse, size=side, mode="bicubic")
    fine = (fine / fine.std()).unflatten(1, (3, channels))
    return torch.cat([fine.roll(frame, -1) for frame in range(count)])
