"""An untrained EG3D teacher: for tests of sizes and speed without a checkpoint."""

from typing import Any

import torch

from .configuration import EG3DConfiguration
from .generator import Generator
from .teacher import EG3DTeacher, eg3d_passport


def untrained_teacher(configuration: dict[str, Any], *, seed: int = 0) -> EG3DTeacher:
    """An initialised teacher of `EG3DConfiguration.from_dict(configuration)`, drawn from a seed.

    torch's global random state stays as it was.
    """
    config = EG3DConfiguration.from_dict(configuration)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(config)
    passport = eg3d_passport(
        config,
        name=f"untrained, seed {seed}",
        source_hash=f"seed {seed}",
        licence="Apache-2.0, as all of trilift",
    )
    return EG3DTeacher(generator, passport)
