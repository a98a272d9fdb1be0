"""Shards have the same bytes whichever worker writes them; each is written once, as a whole."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.data import shard_writer
from pipeline.data.claims import Claims
from pipeline.data.shard_check import broken_shards
from pipeline.data.shard_errors import CorruptShard
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from tests.builders import REPOSITORY, process_environment
from tests.pipeline.data.small_identities import FULL, describe, sampler_of

WORKER = """
import sys, time
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from teachers.untrained import untrained_teacher
from tests.pipeline.data.small_identities import TINY_EG3D, describe, sampler_of

teacher, folder = untrained_teacher(TINY_EG3D), ShardFolder(sys.argv[1])
writer = ShardWriter(
    folder=folder, description=describe(teacher), sampler=sampler_of(teacher), batch_size=1
)
print("ready", flush=True)
pause = float(sys.argv[2])
for shard in range(6):
    if writer.write(shard, lambda count: time.sleep(pause)):
        print("wrote", shard, flush=True)
folder.merge()
"""


def worker(folder: Path, pause: float) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(folder), str(pause)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=process_environment(), stdout=subprocess.PIPE, text=True
    )


def wrote(process: subprocess.Popen) -> list[int]:
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("wrote")]


def tars(folder: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in sorted((folder / "shards").iterdir())
        if not file.name.startswith(".")
    }


def writer_of(teacher, sampler, folder, **changes) -> ShardWriter:
    return ShardWriter(
        folder=ShardFolder(folder),
        description=describe(teacher, **changes),
        sampler=sampler,
        batch_size=4,
    )


def test_latent_shards_are_byte_identical_whatever_the_batch_the_order_and_the_worker(
    write, teacher, sampler, tmp_path
):
    first = write("a", batch_size=4)
    second = ShardFolder(tmp_path / "b")
    workers = [
        ShardWriter(folder=second, description=describe(teacher), sampler=sampler, batch_size=size)
        for size in (1, 3)
    ]
    assert [workers[number % 2].write(shard) for number, shard in enumerate((2, 0, 1))] == [
        True
    ] * 3
    second.merge()
    assert tars(first) == tars(second.path) and len(tars(first)) == 6
    assert (first / "manifest.json").read_bytes() == (second.path / "manifest.json").read_bytes()


def test_two_workers_one_of_them_killed_leave_complete_shards_each_written_once(
    write, sampler, teacher, tmp_path
):
    folder = tmp_path / "fleet"
    victim, other = worker(folder, 0.3), worker(folder, 0.05)
    deadline = time.monotonic() + 200
    while not list(folder.glob("shards/.*.tar.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert victim.stdout.readline() == "ready\n"
    while (
        not any(str(victim.pid) in claim.read_text() for claim in folder.glob("claims/0*"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    by_victim, _ = victim.communicate()
    by_other = wrote(other)
    by_third = wrote(worker(folder, 0.0))  # the same command again
    done = [
        *(int(line.split()[1]) for line in by_victim.splitlines() if line.startswith("wrote")),
        *by_other,
        *by_third,
    ]
    assert sorted(done) == list(range(6))
    assert not list(folder.glob("shards/.*")) and not list(folder.glob("claims/0*"))
    assert tars(folder) == tars(write("alone", shards=6, batch_size=4))


def test_an_incomplete_shard_is_invisible_and_written_again(
    teacher, sampler, tmp_path, monkeypatch
):
    writer = writer_of(teacher, sampler, tmp_path)
    seen = []

    def look_and_fail(count: int) -> None:
        seen.append((ShardFolder(tmp_path).read().count, len(list(tmp_path.glob("shards/*.tar")))))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.write(0, look_and_fail)
    assert seen == [(0, 0)]
    assert not list(tmp_path.glob("shards/.*")) and not list(tmp_path.glob("claims/0*"))
    (tmp_path / "shards" / ".000000.tar.dead.part").write_bytes(b"half")
    assert writer.write(0) and not writer.write(0)
    assert not list(tmp_path.glob("shards/.*"))


def test_a_full_disk_is_named_and_leaves_no_partial_shard(teacher, sampler, tmp_path, monkeypatch):
    def full(file, records):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shard_writer, "write_records", full)
    with pytest.raises(ValueError, match=r"no space left on the disk of .* while writing shard 0"):
        writer_of(teacher, sampler, tmp_path).write(0)
    assert not list(tmp_path.glob("shards/.*")) and not list(tmp_path.glob("claims/0*"))


def test_a_folder_with_other_identities_is_refused_by_name(write, teacher, sampler):
    folder = write()
    with pytest.raises(ValueError, match="seed: 3 → 4"):
        writer_of(teacher, sampler, folder, seed=4)


def test_more_identities_may_be_written_later(write, teacher, sampler):
    folder = write(shards=1)
    assert writer_of(teacher, sampler, folder).write(5)
    manifest = ShardFolder(folder).merge()
    assert manifest.ranges() == [(0, 4), (20, 24)] and manifest.count == 8


def test_only_one_worker_gets_a_claim_and_a_dead_one_loses_its_own(tmp_path):
    mine, others = Claims(tmp_path), Claims(tmp_path)
    claim = mine.take("000000")
    assert claim is not None and others.take("000000") is None and others.take("000001") is not None
    with claim:
        pass
    again = others.take("000000")
    assert again is not None and not claim.is_held() and again.is_held()


def test_a_stale_claim_of_another_machine_is_taken_over_once_and_its_holder_notices(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("pipeline.data.claims._machine", lambda: "elsewhere")
    silent = Claims(tmp_path).take("000000")
    monkeypatch.undo()
    here = [Claims(tmp_path, stale_seconds=60) for _ in range(3)]
    assert all(claims.take("000000") is None for claims in here)
    silent.beat()
    os.utime(silent.path, (time.time() - 120,) * 2)
    taken = [claims.take("000000") for claims in here]
    assert sum(claim is not None for claim in taken) == 1
    assert not silent.is_held()
    with silent:  # releases only its own claim
        pass
    assert taken[0] is not None and taken[0].is_held()


def test_a_reused_process_number_keeps_no_claim_alive(tmp_path):
    claim = Claims(tmp_path).take("000000")
    text = claim.path.read_text()
    started = text.split('"started": ')[1]
    claim.path.write_text(text.replace(started, '"1"}'))
    assert Claims(tmp_path).take("000000") is not None


def test_verifying_finds_every_changed_shard_and_another_teachers_identities(
    write, teacher, sampler, tmp_path
):
    folder = ShardFolder(write(shards=4))
    assert list(broken_shards(folder, describe(teacher), sampler)) == []
    with folder.tar(1).open("r+b") as file:
        file.seek(3000)
        file.write(b"?")
    os.truncate(folder.tar(2), 2000)
    folder.sidecar(3).write_text("{")
    found = {name: str(error) for name, error in broken_shards(folder, describe(teacher), sampler)}
    assert found.keys() == {1, 2, 3}
    assert (
        "sha256 differs" in found[1]
        and "has 2000 bytes" in found[2]
        and "doesn't describe a shard" in found[3]
    )
    assert "is not the one that the sampler draws: z.npy" in str(
        next(broken_shards(folder, describe(teacher), sampler.with_seed(4)))[1]
    )


def test_the_manifest_has_the_checksum_of_a_shard_that_was_removed_by_hand_and_written_again(
    write, teacher, sampler
):
    folder = ShardFolder(write(shards=2, kind="full", storage=FULL))
    before = folder.facts(1)[0]
    folder.tar(1).unlink()
    folder.sidecar(1).unlink()
    with pytest.raises(CorruptShard, match=r"manifest\.json doesn't agree .* shards: 000001$"):
        folder.require_merged()
    mixed = sampler_of(teacher, mixing=0.9)  # other bytes, as another batch size may give
    assert writer_of(teacher, mixed, folder.path, kind="full", storage=FULL).write(1)
    with pytest.raises(CorruptShard, match=r"shards: 000001$"):
        folder.require_merged()
    manifest = folder.merge()
    assert manifest.shards[1] == folder.facts(1)[0] != before
    assert (folder.path / "manifest.json").read_bytes() == manifest.to_json()
    folder.require_merged()


def test_a_damaged_manifest_is_found_and_a_missing_one_is_that_of_an_unfinished_set(write):
    folder = ShardFolder(write(shards=1))
    (folder.path / "manifest.json").write_text('{"shards": [')
    with pytest.raises(CorruptShard, match=r"manifest\.json can't be read"):
        folder.require_merged()
    (folder.path / "manifest.json").unlink()
    folder.require_merged()


def test_a_sampler_that_cannot_draw_leaves_no_description(teacher, sampler, tmp_path, monkeypatch):
    def fail(numbers):
        raise ValueError("nothing passes the filter")

    broken = sampler_of(teacher)
    monkeypatch.setattr(broken, "draw", fail)
    with pytest.raises(ValueError, match="nothing passes the filter"):
        writer_of(teacher, broken, tmp_path / "set", seed=4)
    assert not (tmp_path / "set").exists()
    writer = writer_of(teacher, sampler, tmp_path / "set")  # the corrected command
    assert writer.write(0) and ShardFolder(tmp_path / "set").read().count == 4


def test_a_worker_of_another_set_is_refused_before_the_first_shard_and_draws_nothing(
    teacher, sampler, tmp_path, monkeypatch
):
    workers = [writer_of(teacher, sampler, tmp_path) for _ in range(2)]
    drawn = []
    other = sampler_of(teacher, seed=4)
    monkeypatch.setattr(other, "draw", drawn.append)
    with pytest.raises(ValueError, match="seed: 3 → 4"):
        writer_of(teacher, other, tmp_path, seed=4)
    assert not drawn and [worker.write(name) for name, worker in enumerate(workers)] == [True] * 2


def test_verifying_finds_identities_of_another_style_mixing(write, teacher, sampler):
    mixed, other = (sampler_of(teacher, mixing=share) for share in (0.9, 0.2))
    for written, verified, wrong in (
        (0.9, mixed, ""), (0.9, other, "crossover.npy"), (0.9, sampler, "second.z.npy"),
        (0.0, mixed, "second.z.npy, crossover.npy"),
    ):  # fmt: skip
        folder = ShardFolder(write(f"{written} {wrong}", shards=2, mixing=written))
        found = [str(error) for _, error in broken_shards(folder, describe(teacher), verified)]
        assert len(found) == (2 if wrong else 0) and all(wrong in one for one in found)


def test_a_shard_and_then_its_sidecar_are_synced_before_they_take_their_place(
    disk, teacher, sampler, tmp_path
):
    writer = writer_of(teacher, sampler, tmp_path)
    assert writer.write(0)
    for path in (writer.folder.tar(0), writer.folder.sidecar(0)):
        disk.require_durable(path)
    names = [call[1] for call in disk.calls if call[0] == "name"]
    assert names.index(str(writer.folder.tar(0))) < names.index(str(writer.folder.sidecar(0)))
