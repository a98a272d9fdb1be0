"""Whom a student learns from, as configured: drawn live, or read from shards of a teacher's
identities.
"""

import logging
from collections.abc import Mapping
from typing import Any

from pipeline.data.full_shards import FullShards
from pipeline.data.latent_shards import LatentShards
from pipeline.sampling.identities import Identities
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.source import BatchSource
from pipeline.sampling.view_rendering import ViewRendering
from teachers.teacher import Teacher

from .configuration import instantiate

log = logging.getLogger(__name__)


def build_sampler(config: Mapping[str, Any], teacher: Teacher) -> TeacherSampler:
    """Who is drawn, and from where they are looked at: the groups `cameras` and `sampler`, and
    `seed`.
    """
    sampler = config["sampler"]
    return TeacherSampler(
        teacher=teacher,
        cameras=instantiate(config["cameras"]),
        latents=instantiate(sampler["latents"]),
        seed=config["seed"],
        background=sampler["background"],
        reference_rendering=ViewRendering(**sampler["reference_rendering"]),
        novel_rendering=ViewRendering(**sampler["novel_rendering"]),
        filter=instantiate(sampler["filter"]) if sampler["filter"] else None,
        identities=Identities(count=sampler["identities"], **sampler["identity_cache"])
        if sampler["identities"]
        else None,
    )


def distributions_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides, beside teacher, seed and number, who a sample is and how they are seen; shards
    remember it.

    Args:
        config: plain, resolved.
    """
    return {"cameras": config["cameras"], "sampler": config["sampler"]}


def build_source(
    config: Mapping[str, Any], sampler: TeacherSampler, *, identities: int
) -> BatchSource:
    """Where a training's identities come from: the group `data`.

    Args:
        config: plain, resolved.
        sampler: draws them live, and makes what shards leave open.
        identities: how many the training will ask for, from number 0 on; 0: nobody knows.

    Raises:
        ValueError: the shards are other identities', or too few (see
            `pipeline.data.shard_errors`).
    """
    source: BatchSource = instantiate(
        config["data"], sampler=sampler, distributions=distributions_of(config)
    )
    if isinstance(source, LatentShards | FullShards):
        source.identities.require(identities)
        if source.identities.seed != config["seed"]:
            log.info(
                "identities come from seed %d of the shards; seed %d is for everything else",
                source.identities.seed,
                config["seed"],
            )
    return source
