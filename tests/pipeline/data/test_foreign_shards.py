"""Shards of other programs are streamed: shuffled, endless, in the same order after a restart."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.foreign_shards import ForeignShards
from pipeline.data.record import Record
from pipeline.data.shard_errors import CorruptShard, MissingField, ShardError
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shards import HashingFile, ShardFile, write_records
from pipeline.sampling.identities import FixedIdentities, Identities
from pipeline.sampling.source import BatchSource
from teachers.rendering.camera import Camera
from tests.pipeline.data.small_identities import FULL


@pytest.fixture
def foreign(write, tmp_path) -> Callable[..., str]:
    """Two tars of four identities each, without manifest, numbers or hashes; `without` names fields
    that they lack.
    """

    def written(*without: str, pictures: str = "uint8", mixing: float = 0.0, **storage: str) -> str:
        storage = {**FULL, "pictures": pictures, **storage}
        own = ShardFolder(write("own", shards=2, kind="full", storage=storage, mixing=mixing))
        (tmp_path / "foreign").mkdir()
        for shard in range(2):
            file = ShardFile(own.tar(shard), own.facts(shard)[1])
            identities = [
                {k: v for k, v in file.read(index).items() if k not in ("json", *without)}
                for index in range(4)
            ]
            with (tmp_path / "foreign" / f"{shard}.tar").open("wb") as raw:
                write_records(HashingFile(raw), list(enumerate(identities)))
        return str(tmp_path / "foreign" / "{0..1}.tar")

    return written


def brightness(batch) -> list[float]:
    return [round(float(image.mean()), 5) for image in batch.image]


def test_every_identity_comes_once_per_epoch_in_an_order_that_a_restart_repeats(foreign, sampler):
    urls = foreign()
    first, second = (
        ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=4) for _ in range(2)
    )
    assert isinstance(first, BatchSource)
    epochs = [brightness(first(range(start, start + 8))) for start in (0, 8)]
    assert (
        sorted(epochs[0]) == sorted(epochs[1])
        and epochs[0] != epochs[1]
        and len(set(epochs[0])) == 8
    )
    assert brightness(second([9, 11])) == [
        epochs[1][1],
        epochs[1][3],
    ]  # another process, or after a restart
    assert brightness(second([0, 1])) == epochs[0][:2]
    assert second([4, 5]).samples.tolist() == [4, 5]


def test_identities_are_those_that_were_stored(foreign, sampler):
    stored = ForeignShards(urls=foreign(), sampler=sampler, distributions={}, buffer=1)
    together = torch.cat([stored([n]).novel.rendering.depth for n in range(8)])
    live = sampler(range(8)).novel.rendering.depth
    assert all(any(torch.allclose(one, other, atol=1e-5) for other in live) for one in together)


def test_a_missing_field_is_named_or_left_out_and_counted(foreign, sampler):
    urls = foreign("z.npy")
    with pytest.raises(MissingField, match=r"neither planes\.npy nor z\.npy"):
        ForeignShards(urls=urls, sampler=sampler, distributions={})([0])
    skipping = ForeignShards(urls=urls, sampler=sampler, distributions={}, on_error="skip")
    with pytest.raises(CorruptShard, match="holds no readable record"):
        skipping([0])
    assert skipping.skipped["MissingField"] == 8


def test_a_truncated_shard_is_named_or_left_out(foreign, sampler):
    urls = foreign()
    broken = Path(urls.replace("{0..1}", "1"))
    content = broken.read_bytes()
    broken.write_bytes(content[: content.index(b"000000000002.reference.features.npy") + 700])
    with pytest.raises(CorruptShard, match="a foreign shard can't be read"):
        ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=8)(range(8))
    skipping = ForeignShards(
        urls=urls, sampler=sampler, distributions={}, buffer=8, on_error="skip"
    )
    assert len(set(brightness(skipping(range(5))))) >= 4
    assert skipping.skipped.total() >= 1


def rewritten(urls: str, edit: Callable[[str, bytes], bytes | None]) -> None:
    """Writes the first shard again; of its second identity, `edit` gets each field's name and
    content, and returns the new content, or None to leave the field out.
    """
    path = Path(urls.replace("{0..1}", "0"))
    with tarfile.open(path) as archive:
        files = [(member, archive.extractfile(member).read()) for member in archive]
    with tarfile.open(path, "w") as archive:
        for member, before in files:
            key, _, field = member.name.partition(".")
            content = edit(field, before) if key == "000000000001" else before
            if content is not None:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def altered(urls: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Writes the first shard again with one field of its second identity changed."""

    def edit(field: str, content: bytes) -> bytes:
        if field != name:
            return content
        buffer = io.BytesIO()
        np.save(buffer, change(np.load(io.BytesIO(content))))
        return buffer.getvalue()

    rewritten(urls, edit)


def removed(urls: str, *names: str) -> None:
    """Writes the first shard again without some fields of its second identity."""
    rewritten(urls, lambda field, content: None if field in names else content)


@pytest.mark.parametrize(
    "missing",
    [
        ("second.z.npy", "crossover.npy"),
        ("conditioning.camera.npy",),
        ("planes.npy",),
        ("z.npy",),
        ("planes.npy", "conditioning.camera.npy"),
    ],
)
def test_an_identity_does_not_depend_on_the_fields_of_its_neighbours(foreign, sampler, missing):
    stored = "none" if "second.z.npy" in missing or missing[0].startswith("cond") else "float32"
    urls = foreign(mixing=0.7, planes=stored)
    removed(urls, *missing)
    read = ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)
    together = read(range(8)).triplane.planes
    alone = torch.cat([read([n]).triplane.planes for n in range(8)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("field", "change", "reason"),
    [
        ("crossover.npy", lambda place: place * 0 - 1, r"ranges from -1 to -1: expected 0 to 1"),
        ("crossover.npy", lambda place: place * 0 + 7, r"ranges from 7 to 7: expected 0 to 1"),
        ("crossover.npy", lambda place: place * np.nan, "isn't a finite number"),
        ("crossover.npy", lambda place: np.repeat(place, 2), r"has the shape \[2\]"),
        ("second.z.npy", lambda z: z[:3], r"has the shape \[3\]"),
        ("second.z.npy", lambda z: z * np.nan, "isn't a finite number"),
        ("second.z.npy", None, r"has no second\.z\.npy"),
        ("crossover.npy", None, r"has no crossover\.npy"),
        ("conditioning.camera.npy", lambda label: label * np.nan, "conditioning.camera.npy of"),
    ],
)
def test_damaged_style_mixing_is_named_or_left_out(foreign, sampler, field, change, reason):
    urls = foreign(mixing=0.7)
    if change is None:
        removed(urls, field)
    else:
        altered(urls, field, change)
    with pytest.raises((CorruptShard, MissingField), match=reason):
        ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)(range(8))
    skipping = ForeignShards(
        urls=urls, sampler=sampler, distributions={}, buffer=1, on_error="skip"
    )
    assert skipping(range(7)).triplane.planes.isfinite().all()
    assert skipping.skipped.total() == 1


def opengl(label: np.ndarray) -> np.ndarray:
    flipped = label[:16].reshape(4, 4) @ np.diag([1, -1, -1, 1])
    return np.concatenate([flipped.reshape(-1), label[16:]]).astype(np.float32)


def inverted(label: np.ndarray) -> np.ndarray:
    turned = Camera.orbit(torch.tensor([0.5]), torch.tensor([0.1])).cam_to_world[0].inverse()
    return np.concatenate([turned.reshape(-1).numpy(), label[16:]]).astype(np.float32)


def inverted_yaw(label: np.ndarray) -> np.ndarray:
    """World-to-camera of a camera that isn't far to the side: the origin stays in its picture."""
    turned = Camera.orbit(torch.tensor([0.16]), torch.tensor([0.05]), pivot=(0.0, 0.0, 0.1))
    return np.concatenate([turned.cam_to_world[0].inverse().reshape(-1).numpy(), label[16:]])


def in_pixels(label: np.ndarray) -> np.ndarray:
    return np.concatenate([label[:16], label[16:] * np.array([64, 1, 64, 1, 64, 64, 1, 1, 1])])


@pytest.mark.parametrize(
    ("field", "change", "reason"),
    [
        ("reference.camera.npy", opengl, "looks away from the origin"),
        ("novel.camera.npy", inverted, "sees the origin"),
        ("novel.camera.npy", in_pixels, "intrinsics in pixels"),
        ("novel.camera.npy", lambda label: label * np.nan, "finite number"),
        ("novel.camera.npy", lambda label: label[:16], "16 numbers; expected 25"),
        ("reference.image.npy", lambda image: (image + 1) * 127.5, "expected -1.01 to 1.01"),
        ("reference.image.npy", lambda image: image.transpose(1, 2, 0), "has the shape"),
        ("novel.depth.npy", lambda depth: depth[0], "has the shape"),
        ("novel.depth.npy", lambda depth: depth + np.inf, "finite number"),
        ("novel.opacity.npy", lambda opacity: opacity * 255, "expected -0.01 to 1.01"),
        ("novel.features.npy", lambda features: features[:2], "no three colour channels"),
        ("novel.features.npy", lambda features: np.repeat(features, 2, 0), "64 channels, those"),
        ("z.npy", lambda z: z[:3], "has the shape"),
    ],
)
def test_a_field_that_does_not_fit_the_teacher_is_named_or_left_out(
    foreign, sampler, field, change, reason
):
    urls = foreign(pictures="float32")
    altered(urls, field, change)
    with pytest.raises(CorruptShard, match=f"{field} of 000000000001.*{reason}"):
        source = ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)
        source(range(8))
    skipping = ForeignShards(
        urls=urls, sampler=sampler, distributions={}, buffer=1, on_error="skip"
    )
    assert len(set(brightness(skipping(range(7))))) == 7
    assert skipping.skipped["CorruptShard"] == 1


def announcing(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """An npy file of a few bytes whose header announces an array of a shape."""
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + bytes(8)


@pytest.mark.parametrize(
    ("name", "damaged", "reason"),
    [
        ("reference.features.npy", announcing(()), r"has the shape \[\]: expected \[channels"),
        ("novel.features.npy", announcing(()), r"has the shape \[\]: expected \[channels"),
        ("novel.features.npy", announcing((2,)), r"has the shape \[2\]: expected \[channels"),
        ("novel.depth.npy", announcing(()), r"has the shape \[\], the teacher's is"),
        ("novel.camera.npy", announcing(()), "0.0; expected 25"),
        ("novel.depth.npy", announcing((10**13,)), "announces 40000000000000 bytes, 8 follow"),
        ("novel.depth.npy", announcing((10**13,), "<U0"), "bytes, 8 follow"),
        ("z.npy", announcing((10**30,)), "bytes, 8 follow"),
        ("z.npy", announcing((10**30,), "|O"), "isn't an array"),
    ],
)
def test_a_damaged_array_is_named_each_time_or_left_out(foreign, sampler, name, damaged, reason):
    urls = foreign(pictures="float32")
    rewritten(urls, lambda field, content: damaged if field == name else content)
    source = ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)
    for _ in range(2):
        with pytest.raises(CorruptShard, match=f"{name} of 000000000001.*{reason}"):
            source(range(8))
    skipping = ForeignShards(
        urls=urls, sampler=sampler, distributions={}, buffer=1, on_error="skip"
    )
    assert len(set(brightness(skipping(range(7))))) == 7
    assert skipping.skipped["CorruptShard"] == 1


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_source_that_raised_raises_the_same_again(foreign, sampler, on_error):
    source = ForeignShards(
        urls=foreign("z.npy"), sampler=sampler, distributions={}, on_error=on_error
    )
    messages = []
    for _ in range(2):
        with pytest.raises(ShardError) as error:
            source([0])
        messages.append(str(error.value).partition("(")[0])
    assert messages[0] == messages[1]


def test_an_identity_with_inverted_cameras_near_the_front_is_named(foreign, sampler):
    urls = foreign(pictures="float32")
    for view in ("reference", "novel"):
        altered(urls, f"{view}.camera.npy", inverted_yaw)
    with pytest.raises(CorruptShard, match=r"000000000001.*by 0° as OpenCV world-to-camera"):
        ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)(range(8))


@pytest.mark.parametrize("text", [b"[1, 2]", b'{"number": "a7", "hashes": 3, "truncation": null}'])
def test_json_of_other_programs_is_their_own(text):
    record = Record({"json": text}, "somebody's", required=(), is_foreign=True)
    assert (record.number, record.truncation) == (0, 1.0)


def test_no_shards_at_all_are_named(sampler):
    with pytest.raises(ValueError, match=r"data\.urls is \[\]"):
        ForeignShards(urls=[], sampler=sampler, distributions={})


def test_pictures_that_may_be_in_0_to_1_are_warned_about_once(foreign, sampler, caplog):
    urls = foreign(pictures="float16")
    for view in ("reference", "novel"):
        altered(urls, f"{view}.image.npy", lambda image: image / 2 + 0.5)
    source = ForeignShards(urls=urls, sampler=sampler, distributions={}, buffer=1)
    source(range(8))
    assert sum("in [0, 1]" in record.message for record in caplog.records) == 1


def test_a_fixed_set_of_identities_is_refused(foreign, sampler):
    with pytest.raises(ValueError, match=r"foreign shards have their own identities"):
        ForeignShards(
            urls=foreign(), sampler=FixedIdentities(sampler, Identities(count=2)), distributions={}
        )
