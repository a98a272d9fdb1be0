"""An untrained teacher: for tests of sizes and speed without a checkpoint."""

from typing import Any

import torch

from .eg3d.teacher import EG3DTeacher, passport_of
from .kinds import configuration_of, kind_of


def untrained_teacher(configuration: dict[str, Any], *, seed: int = 0) -> EG3DTeacher:
    """An initialised teacher of `kinds.configuration_of(configuration)`, drawn from a seed.

    torch's global random state stays as it was.
    """
    config = configuration_of(configuration)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = kind_of(config).generator(config)
    passport = passport_of(
        config,
        name=f"untrained, seed {seed}",
        source_hash=f"seed {seed}",
        licence="Apache-2.0, as all of trilift",
    )
    return EG3DTeacher(generator, passport)
