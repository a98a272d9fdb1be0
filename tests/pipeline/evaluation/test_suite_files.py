import io
import tarfile
import zipfile

import pytest

from pipeline.evaluation.suite_files import as_folder, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "suite"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "one.png").write_bytes(b"one")
    (folder / "two.png").write_bytes(b"two")
    write_manifest(folder, licence="mine")
    return folder


def test_a_folder_a_zip_and_shards_hold_the_same_suite(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "suite.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder))
    shards = tmp_path / "shards"
    shards.mkdir()
    for number, names in enumerate([["a/one.png"], ["two.png", "manifest.json"]]):
        with tarfile.open(shards / f"{number:05d}.tar", "w") as tape:
            for name in names:
                tape.add(folder / name, name)
    cache = tmp_path / "cache"
    manifests = [
        read_manifest(as_folder(path, cache))
        for path in (folder, tmp_path / "suite.zip", shards, shards / "00001.tar")[:3]
    ]
    assert manifests[0]["licence"] == "mine" and set(manifests[0]["files"]) == {
        "a/one.png",
        "two.png",
    }
    assert manifests[0] == manifests[1] == manifests[2]
    assert (
        as_folder(folder, None) == folder
        and as_folder(shards, cache) == as_folder(shards, cache) != shards
    )


def test_an_altered_or_missing_file_is_named(folder):
    (folder / "two.png").write_bytes(b"three")
    with pytest.raises(ValueError, match=r"two\.png is another file"):
        read_manifest(folder)
    (folder / "two.png").unlink()
    with pytest.raises(ValueError, match=r"lists two\.png, which is not there"):
        read_manifest(folder)


def test_without_a_manifest_the_files_are_taken_as_they_are(folder):
    listed = read_manifest(folder)["files"]
    (folder / "manifest.json").unlink()
    assert read_manifest(folder) == {"files": listed}


def test_what_would_leave_the_folder_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../bad.png", b"")
    with tarfile.open(tmp_path / "bad.tar", "w") as tape:
        tape.addfile(tarfile.TarInfo("../bad.png"), io.BytesIO())
    (tmp_path / "bad.txt").write_text("no suite")
    for name in ("bad.zip", "bad.tar"):
        with pytest.raises(ValueError, match="don't trust it"):
            as_folder(tmp_path / name, tmp_path / "cache")
    with pytest.raises(ValueError, match="neither a zip nor a tar"):
        as_folder(tmp_path / "bad.txt", tmp_path / "cache")
    with pytest.raises(ValueError, match=r"give suite\.cache"):
        as_folder(tmp_path / "bad.tar", None)
    with pytest.raises(FileNotFoundError, match="doesn't exist"):
        as_folder(tmp_path / "nothing", None)


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 400)
    with tarfile.open(tmp_path / "whole.tar", "w") as tape:
        tape.add(tmp_path / "large.bin", "large.bin")
    cut = tmp_path / "cut.tar"
    cut.write_bytes((tmp_path / "whole.tar").read_bytes()[:30_000])
    flipped = tmp_path / "flipped.zip"
    with zipfile.ZipFile(flipped, "w") as archive:
        archive.write(tmp_path / "large.bin", "large.bin")
    content = bytearray(flipped.read_bytes())
    content[5_000] ^= 1
    flipped.write_bytes(content)
    for damaged in (cut, flipped):
        with pytest.raises(ValueError, match=rf"{damaged.name} is damaged, .*: get it again"):
            as_folder(damaged, tmp_path / "cache")
        assert not [*(tmp_path / "cache").glob("*/large.bin")]
