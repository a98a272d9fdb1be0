"""A small teacher, its sampler, and folders of its identities."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from pipeline.sampling.sampler import TeacherSampler
from teachers.untrained import untrained_teacher
from tests.pipeline.data.small_identities import TINY_EG3D, describe, sampler_of


@pytest.fixture(scope="session")
def teacher():
    return untrained_teacher(TINY_EG3D)


@pytest.fixture(scope="session")
def sampler(teacher) -> TeacherSampler:
    return sampler_of(teacher)


@pytest.fixture
def write(teacher, sampler, tmp_path) -> Callable[..., Path]:
    """Writes `shards` shards of four identities into a folder; other settings go to the
    description.
    """

    def written(
        name: str = "identities",
        shards: int = 3,
        batch_size: int = 4,
        mixing: float = 0.0,
        **changes,
    ) -> Path:
        folder = ShardFolder(tmp_path / name)
        writer = ShardWriter(
            folder=folder,
            description=describe(teacher, **changes),
            sampler=sampler_of(teacher, mixing=mixing) if mixing else sampler,
            batch_size=batch_size,
        )
        assert all(writer.write(shard) for shard in range(shards))
        folder.merge()
        return folder.path

    return written
