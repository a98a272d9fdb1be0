"""The configured sampler, the same for every verb, and the configured source of batches."""

import logging
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.data.full_shards import FullShards
from pipeline.data.latent_shards import LatentShards
from pipeline.data.photometric import PhotometricInputs
from pipeline.sampling.filtered import FilteredSampler
from pipeline.sampling.identities import FixedIdentities, Identities
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.source import BatchSource, Sampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.plain_values import is_whole
from teachers.teacher import Teacher

from .configuration import instantiate

log = logging.getLogger(__name__)


def build_sampler(config: Mapping[str, Any], teacher: Teacher) -> Sampler:
    """The groups `cameras` and `sampler`, and `seed`, of any verb that samples a teacher.

    Raises:
        ValueError: `sampler.identities` is neither null nor a whole number of at least 1.
    """
    settings = config["sampler"]
    count = _identities(settings["identities"])
    plain = TeacherSampler(
        teacher=teacher,
        cameras=instantiate(config["cameras"]),
        latents=instantiate(settings["latents"]),
        seed=config["seed"],
        background=settings["background"],
        reference_rendering=_rendering(settings["reference_rendering"]),
        novel_rendering=_rendering(settings["novel_rendering"]),
    )
    filtered = (
        FilteredSampler(plain, instantiate(settings["filter"])) if settings["filter"] else plain
    )
    if count is None:
        return filtered
    return FixedIdentities(filtered, Identities(count=count, **settings["identity_cache"]))


def _identities(count: Any) -> int | None:
    if count is not None and (not is_whole(count) or count < 1):
        raise ValueError(
            f"sampler.identities is {count!r}: give a whole number of at least 1, or null for a new"
            " identity for every sample number"
        )
    return None if count is None else int(count)


def _rendering(changes: Mapping[str, Any]) -> ViewRendering:
    """Values with a `_target_` (a ray marcher) are built."""
    return ViewRendering(
        **{
            name: instantiate(value) if isinstance(value, DictConfig | dict) else value
            for name, value in changes.items()
        }
    )


def distributions_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that, with teacher, seed and number, determines a sample; shards record it.

    Args:
        config: of a verb; plain and resolved, it is without markers.

    Returns:
        plain values, with their markers (`pipeline.runs.markers`).
    """
    groups = {"cameras": config["cameras"], "sampler": config["sampler"]}
    return {
        name: OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
        for name, node in groups.items()
    }


def build_source(config: Mapping[str, Any], sampler: Sampler, *, identities: int) -> BatchSource:
    """The groups `data` and `photometric`: where a training's batches come from, and what happens
    to their inputs.

    Args:
        config: of a verb.
        sampler: samples live, and completes what shards don't store.
        identities: how many the training will use, from number 0 on; 0: unknown.

    Raises:
        ValueError: the shards hold other identities, or too few (see
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
    if config.get("photometric") is None:
        return source
    return PhotometricInputs(source, instantiate(config["photometric"]), config["seed"])
