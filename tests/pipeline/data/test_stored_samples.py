"""The same sample numbers give the same identities, live or from shards; errors name the cause."""

import io
import json
import os

import numpy as np
import pytest
import torch

from pipeline.data.full_shards import FullShards
from pipeline.data.latent_shards import LatentShards
from pipeline.data.manifest import SCHEMA_VERSION
from pipeline.data.record import Record
from pipeline.data.shard_errors import (
    CorruptShard,
    MissingField,
    NumberOutsideRange,
    WrongDistributions,
    WrongSchema,
    WrongTeacher,
)
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shards import HashingFile, ShardFile, write_records
from pipeline.data.stored_samples import StoredSamples
from pipeline.sampling.source import BatchSource
from teachers.untrained import untrained_teacher
from tests.pipeline.data.small_identities import (
    DISTRIBUTIONS,
    FULL,
    TINY_EG3D,
    describe,
    sampler_of,
)

NUMBERS = [9, 2, 3, 11]


def pictures(batch) -> dict[str, torch.Tensor]:
    views = {
        f"{name}/{key}": value
        for name in ("reference", "novel")
        for key, value in vars(getattr(batch, name).rendering).items()
    }
    return {"image": batch.image, "planes": batch.triplane.planes, **views}


def records(folder, shard: int) -> list[tuple[int, dict[str, bytes]]]:
    reader = ShardFolder(folder)
    file = ShardFile(reader.tar(shard), reader.facts(shard)[1])
    return [(4 * shard + index, file.read(index)) for index in range(4)]


def rewrite(folder, shard: int, change) -> None:
    """Writes a shard anew with changed fields, with a sidecar that agrees with it."""
    changed = [(number, change(fields)) for number, fields in records(folder, shard)]
    reader = ShardFolder(folder)
    values = json.loads(reader.sidecar(shard).read_bytes())
    with reader.tar(shard).open("wb") as raw:
        file = HashingFile(raw)
        offsets = write_records(file, changed)
        values |= {"offsets": offsets, "bytes": file.length, "sha256": file.sha256()}
    reader.sidecar(shard).write_text(json.dumps(values))


def flip(path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def test_latent_shards_give_the_bits_that_the_sampler_draws(write, sampler):
    stored = LatentShards(path=write(), sampler=sampler.with_seed(99), distributions=DISTRIBUTIONS)
    assert isinstance(stored, BatchSource)
    drawn, read = sampler.draw(NUMBERS), stored.draw(NUMBERS)
    assert read.samples == drawn.samples == NUMBERS
    assert torch.equal(read.z, drawn.z) and torch.equal(read.truncation, drawn.truncation)
    for name in ("reference", "novel", "conditioning"):
        assert torch.equal(getattr(read, name).label(), getattr(drawn, name).label())
    live, again = pictures(sampler(NUMBERS)), pictures(stored(NUMBERS))
    assert all(torch.allclose(live[name], again[name], atol=1e-5, rtol=0) for name in live)
    assert torch.allclose(stored.planes(NUMBERS).planes, live["planes"], atol=1e-5, rtol=0)


def test_stored_identities_keep_their_second_latent(teacher, write):
    mixing = sampler_of(teacher, mixing=0.7)
    stored = LatentShards(path=write(mixing=0.7), sampler=mixing, distributions=DISTRIBUTIONS)
    drawn, read = mixing.draw(NUMBERS), stored.draw(NUMBERS)
    assert torch.equal(read.mixing.z, drawn.mixing.z)
    assert torch.equal(read.mixing.crossover, drawn.mixing.crossover)
    assert set((drawn.mixing.crossover < 1).tolist()) == {True, False}
    assert torch.equal(stored.sampler.map_latents(read), mixing.map_latents(drawn))
    full = FullShards(
        path=write("full", kind="full", storage=FULL, mixing=0.7),
        sampler=mixing,
        distributions=DISTRIBUTIONS,
    )
    assert torch.allclose(full.planes(NUMBERS).planes, mixing.planes(NUMBERS).planes, atol=1e-5)
    unmixed = sampler_of(teacher).planes(NUMBERS).planes
    assert not torch.allclose(full.planes(NUMBERS).planes, unmixed, atol=1e-2)


def test_shards_from_before_style_mixing_are_those_of_a_sampler_that_does_not_mix(
    write, sampler, teacher
):
    path = write()  # whose distributions don't know the key
    before = DISTRIBUTIONS["sampler"]
    known, mixed = (
        DISTRIBUTIONS | {"sampler": before | {"latents": before["latents"] | {"mixing": share}}}
        for share in (0, 0.7)
    )
    LatentShards(path=path, sampler=sampler, distributions=known)
    ShardFolder(path).begin(describe(teacher, distributions=known))
    with pytest.raises(
        WrongDistributions, match=r"latents\.mixing: \(absent\) in the shards, 0\.7"
    ):
        LatentShards(path=path, sampler=sampler, distributions=mixed)
    with pytest.raises(ValueError, match=r"latents\.mixing: \(absent\) → 0\.7"):
        ShardFolder(path).begin(describe(teacher, distributions=mixed))


@pytest.mark.parametrize(
    ("storage", "of_image", "of_features", "of_planes"),
    [
        (FULL, 1 / 255, 2**-11, 1e-5),
        ({"pictures": "float16", "features": "float32", "planes": "float16"}, 2**-11, 1e-6, 2**-8),
        ({"pictures": "float32", "features": "float32", "planes": "float32"}, 1e-6, 1e-6, 1e-6),
    ],
)
def test_full_shards_give_live_pictures_within_the_stored_precision(
    write, sampler, storage, of_image, of_features, of_planes
):
    stored = FullShards(
        path=write(kind="full", storage=storage),
        sampler=sampler.with_seed(99),
        distributions=DISTRIBUTIONS,
    )
    assert isinstance(stored, BatchSource)
    batch = stored(NUMBERS)
    live, read = pictures(sampler(NUMBERS)), pictures(batch)
    assert batch.samples.tolist() == NUMBERS and torch.equal(
        batch.novel.camera.label(), sampler.draw(NUMBERS).novel.label()
    )
    limits = {
        name: of_image
        if name.endswith("image")
        else 1e-5
        if name.endswith("depth")
        else of_features
        for name in live
    }
    limits["planes"] = of_planes
    for name, limit in limits.items():
        error = (
            (
                live[name].clamp(-1, 1) - read[name]
                if name.endswith("image")
                else live[name] - read[name]
            )
            .abs()
            .max()
            .item()
        )
        assert error <= limit + 1e-5, (name, error)
    if storage is FULL:
        assert (live["image"] - read["image"]).abs().max() > 1e-4  # it did come from the 8-bit file


def test_a_flipped_bit_is_found_when_the_identity_is_read(write, sampler):
    folder = write()
    path = ShardFolder(folder).tar(1)
    flip(path, path.read_bytes().index(b"000000000005.z.npy") + 512 + 130)
    stored = LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS)
    assert stored.draw([4, 6]).samples == [4, 6]
    with pytest.raises(
        CorruptShard, match=r"z\.npy of identity 5 .* was changed after it was written"
    ):
        stored.draw([5])


@pytest.mark.parametrize("what", [b".json", b".z.npy"])
def test_every_byte_of_a_record_matters(write, sampler, what):
    folder = write()
    path = ShardFolder(folder).tar(0)
    flip(path, path.read_bytes().index(b"000000000001" + what) + 2)  # in the tar's header
    with pytest.raises((CorruptShard, MissingField), match=r"identity 1|record 1"):
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS).draw([1])


def test_a_flipped_bit_in_the_metadata_of_an_identity_is_found(write, sampler):
    folder = write()
    path = ShardFolder(folder).tar(0)
    content = path.read_bytes()
    flip(path, content.index(b'"truncation":0.') + len(b'"truncation":0.'))
    with pytest.raises(CorruptShard, match="its seal differs"):
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS).draw([0])


def test_a_truncated_and_a_missing_shard_are_named(write, sampler):
    folder = write()
    first, second = (ShardFolder(folder).tar(name) for name in (0, 1))
    os.truncate(first, first.stat().st_size // 3)
    second.unlink()
    stored = LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS)
    with pytest.raises(CorruptShard, match=r"000000.tar is truncated"):
        stored.draw([3])
    with pytest.raises(CorruptShard, match=r"000001.tar can't be opened"):
        stored.draw([4])


def test_a_missing_field_is_named(write, sampler):
    folder = write()
    rewrite(
        folder, 2, lambda fields: {name: value for name, value in fields.items() if name != "z.npy"}
    )
    with pytest.raises(MissingField, match=r"identity 8 .* has no z\.npy"):
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS).draw([8])


def test_records_of_another_version_are_refused(write, sampler):
    folder = write()
    rewrite(
        folder,
        0,
        lambda fields: {
            **fields,
            "json": fields["json"].replace(b'"schema_version":1', b'"schema_version":7'),
        },
    )
    with pytest.raises(WrongSchema, match="schema version 7, this trilift reads 1"):
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS).draw([0])


def test_a_set_of_another_version_or_kind_is_refused(write, sampler):
    folder = write()
    with pytest.raises(
        WrongSchema, match=r"holds latent shards, full shards were expected: use data=latent_shards"
    ):
        FullShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS)
    description = folder / "description.json"
    description.write_text(
        description.read_text().replace(
            f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'
        )
    )
    with pytest.raises(WrongSchema, match="schema version 99"):
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS)


def test_another_teacher_is_refused_even_with_the_same_passport(write, sampler, teacher):
    folder = write()
    other = untrained_teacher(TINY_EG3D, seed=1)
    with pytest.raises(WrongTeacher, match="source_hash"):
        StoredSamples(path=folder, kind="latent", teacher=other, distributions=DISTRIBUTIONS)
    other.passport = teacher.passport
    with pytest.raises(WrongTeacher, match="although their passports agree"):
        StoredSamples(path=folder, kind="latent", teacher=other, distributions=DISTRIBUTIONS)


def test_other_distributions_are_refused_by_name_but_latent_shards_leave_rendering_open(
    write, sampler
):
    rendering = {
        "cameras": DISTRIBUTIONS["cameras"],
        "sampler": {**DISTRIBUTIONS["sampler"], "background": "random"},
    }
    distributions = {"cameras": {"reference": {"yaw": 50.0}}, "sampler": DISTRIBUTIONS["sampler"]}
    latent, full = write("latent"), write("full", kind="full", storage=FULL)
    assert (
        LatentShards(
            path=latent, sampler=sampler, distributions=rendering
        ).identities.manifest.count
        == 12
    )
    with pytest.raises(
        WrongDistributions,
        match=r"sampler\.background: 'teacher' in the shards, 'random' configured",
    ):
        FullShards(path=full, sampler=sampler, distributions=rendering)
    with pytest.raises(
        WrongDistributions, match=r"cameras\.reference\.yaw: 40\.0 in the shards, 50\.0 configured"
    ):
        LatentShards(path=latent, sampler=sampler, distributions=distributions)


def test_a_setting_that_a_marker_calls_runtime_may_differ(write, sampler):
    chunks = {**DISTRIBUTIONS["sampler"], "novel_rendering": {"max_points": 4096}}
    changed = {"cameras": DISTRIBUTIONS["cameras"], "sampler": chunks}
    full = write("full", kind="full", storage=FULL)
    with pytest.raises(WrongDistributions, match=r"novel_rendering\.max_points"):
        FullShards(path=full, sampler=sampler, distributions=changed)
    marked = {**chunks, "_runtime_": ["novel_rendering.max_points"]}
    FullShards(path=full, sampler=sampler, distributions={**changed, "sampler": marked})


def test_numbers_that_are_not_stored_are_refused_before_and_when_they_are_read(write, sampler):
    stored = LatentShards(path=write(), sampler=sampler, distributions=DISTRIBUTIONS)
    for number in (12, 10**9):
        with pytest.raises(
            NumberOutsideRange, match=f"sample number {number} isn't stored; these are: 0 to 11"
        ):
            stored.draw([number])
    stored.identities.require(12)
    with pytest.raises(NumberOutsideRange, match="sample number 12 isn't stored"):
        stored.identities.require(13)


def test_repeat_repeats_the_stored_identities(write, sampler):
    stored = LatentShards(path=write(), sampler=sampler, distributions=DISTRIBUTIONS, repeat=True)
    assert stored.draw([11, 12, 13, 12 * 7 + 5]).samples == [11, 0, 1, 5]
    stored.identities.require(10**6)


def test_skipping_replaces_the_unreadable_by_others_of_the_set_the_same_way_every_time_and_counts(
    write, sampler, caplog
):
    folder = write(shards=4)
    ShardFolder(folder).tar(1).unlink()
    stored = [
        LatentShards(path=folder, sampler=sampler, distributions=DISTRIBUTIONS, on_error="skip")
        for _ in range(2)
    ]
    first = stored[0].draw(range(16)).samples
    alone = [stored[1].draw([number]).samples[0] for number in range(16)]
    assert first == alone
    assert [n for n in range(16) if first[n] == n] == [n for n in range(16) if not 4 <= n < 8]
    assert not set(first[4:8]) & set(range(4, 8)) and len(set(first[4:8])) > 1
    assert stored[0].identities.skipped["CorruptShard"] >= 4
    assert "identities replaced so far (CorruptShard" in caplog.text
    identities = stored[0](list(range(4, 8)))
    assert torch.allclose(
        identities.image, sampler(first[4:8]).image, atol=1e-5
    )  # a substitute is drawn under its own number


def test_a_set_without_a_readable_record_is_not_skipped(write, sampler):
    folder = write(shards=2)
    for name in range(2):
        os.truncate(ShardFolder(folder).tar(name), 100)
    with pytest.raises(
        CorruptShard, match="neither sample number 1 nor 15 substitutes can be read"
    ):
        LatentShards(
            path=folder, sampler=sampler, distributions=DISTRIBUTIONS, on_error="skip"
        ).draw([1])


def test_nothing_is_unpickled(write):
    _, fields = records(write(), 0)[0]
    evil = io.BytesIO()
    np.save(evil, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    unsealed = {name: value for name, value in fields.items() if name != "json"}
    record = Record({**unsealed, "z.npy": evil.getvalue()}, "here", is_foreign=True)
    with pytest.raises(CorruptShard, match="Object arrays cannot be loaded"):
        record.array("z.npy")
