"""The codec between student and renderer (docs/streaming.md), and the map of a finished student."""

import copy
import logging
from pathlib import Path

import torch
from omegaconf import DictConfig

from pipeline.distillation.plane_codec import PlaneCodec
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.sampling.source import BatchSource
from pipeline.streaming.normalisation import Normalisation, calibrate, planes_file

from .configuration import instantiate

log = logging.getLogger(__name__)

IDENTITIES = 64
"""Whose planes make a map."""

TEACHERS = 16
"""The same, of the teacher's planes."""


def build_plane_codec(config: DictConfig, lifter: Lifter, source: BatchSource) -> PlaneCodec | None:
    """The group `plane_codec`; None for plane_codec=none.

    Args:
        config: of a distillation.
        lifter: with its teacher's renderer, untrained.
        source: of the batches.

    Raises:
        ValueError: inputs aren't the teacher's renderings as they are, or the student that the run
            starts from has the map of other planes.
    """
    if config.get("plane_codec") is None:
        return None
    if config.get("photometric") is not None or config.sampler.background != "teacher":
        raise ValueError(
            "plane_codec compares an input with the same head a moment later, which differs by"
            " nothing but the camera: use photometric=none sampler.background=teacher"
        )
    return instantiate(
        config.plane_codec,
        code=_first_map(config, lifter, source),
        renderer=copy.deepcopy(lifter.renderer).requires_grad_(False),
        pivot=lifter.passport.camera_pivot,
        seed=config.seed,
    )


def _first_map(config: DictConfig, lifter: Lifter, source: BatchSource) -> Normalisation:
    """That of the student from which the run starts; without one, that of the teacher's planes."""
    channels = 3 * lifter.passport.stored_channels
    if config.start_from is not None:
        file = planes_file(student_file(config.start_from))
        if file.is_file():
            code = Normalisation.read(file)
            if len(code) != channels:
                raise ValueError(f"{file} is of {len(code)} channels, the planes have {channels}")
            return code
    return calibrate(lifter, source.planes(range(TEACHERS)).planes)


@torch.no_grad()
def write_map(student: Path, source: BatchSource) -> Path:
    """Estimates the map of a student's own planes, and writes it beside the student."""
    lifter = Lifter.load(student).requires_grad_(False)
    planes = torch.cat(
        [
            lifter.lift(source(range(first, first + 8)).image.cpu()).planes
            for first in range(0, IDENTITIES, 8)
        ]
    )
    file = planes_file(student)
    calibrate(lifter, planes).save(file)
    log.info("%s: the planes' normalisation, from %d identities", file, IDENTITIES)
    return file
