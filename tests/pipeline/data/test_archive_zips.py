"""Zips as other programs write them: found, or refused in one sentence that says what to do."""

import io
import json
import zipfile

import pytest
from PIL import Image

from pipeline.data import archive
from pipeline.data.archive import Archive, BadDataset

INDEX = json.dumps({"labels": [["a/b.png", [0.0] * 25]]}).encode()


@pytest.fixture
def picture():
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(content, "PNG")
    return content.getvalue()


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo("x")
            entry.filename = name  # ZipInfo's constructor would change it
            packed.writestr(entry, content)
    return Archive(path)


@pytest.mark.parametrize(
    ("stored", "index", "asked"),
    [
        ("a\\b.png", "dataset.json", "a/b.png"),
        ("a/b.png", "dataset.json", "a\\b.png"),
        ("./a/b.png", "./dataset.json", "a/b.png"),
        ("a/b.png", "dataset.json", "./a/b.png"),
        ("ffhq/a/b.png", "ffhq/dataset.json", "a/b.png"),
        ("ffhq\\a\\b.png", "ffhq\\dataset.json", "a/b.png"),
    ],
)
def test_names_are_found_however_they_are_written(tmp_path, picture, stored, index, asked):
    packed = zipped(tmp_path / "a.zip", {stored: picture, index: INDEX})
    assert packed.has(asked) and packed.read(asked) == picture
    assert packed.index().names == ["a/b.png"]


def test_what_macos_adds_is_no_second_folder(tmp_path, picture):
    files = {"d/a/b.png": picture, "d/dataset.json": INDEX, "__MACOSX/d/._b.png": b"x"}
    assert zipped(tmp_path / "a.zip", files).read("a/b.png") == picture


def changed(path, picture, *, flag=None, method=None):
    """A zip whose first entry claims an encryption or another compression."""
    zipped(path, {"a/b.png": picture, "dataset.json": INDEX})
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    if flag:
        content[6] |= flag
        content[central + 8] |= flag
    if method:
        content[8] = content[central + 10] = method
    path.write_bytes(content)
    return Archive(path)


def test_a_password_is_named(tmp_path, picture):
    with pytest.raises(BadDataset, match=r"a/b\.png in .*a\.zip is encrypted with a password"):
        changed(tmp_path / "a.zip", picture, flag=1).read("a/b.png")


def test_deflate64_is_named(tmp_path, picture):
    with pytest.raises(BadDataset, match=r"a/b\.png can't be read .*without Deflate64"):
        changed(tmp_path / "a.zip", picture, method=9).read("a/b.png")


def test_an_entry_that_unpacks_to_too_much_is_never_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ENTRY", 1000)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a/b.png", bytes(100_000))
        packed.writestr("dataset.json", INDEX)
    with pytest.raises(BadDataset, match=r"unpacks to 100,000 bytes, at most 1,000"):
        Archive(path).read("a/b.png")


@pytest.mark.parametrize("content", [b"[1]", b"[" * 100_000, b"\xff\xfe{", b'{"labels": 3}'])
def test_an_index_of_another_shape_is_one_sentence(tmp_path, content):
    packed = zipped(tmp_path / "a.zip", {"dataset.json": content})
    with pytest.raises(
        BadDataset, match=r"dataset\.json of .*a\.zip(: labels is 3| isn't JSON| holds \[1\])"
    ):
        packed.index()


def test_an_index_in_utf16_or_with_a_byte_order_mark_is_read(tmp_path):
    for number, encoding in enumerate(("utf-16", "utf-8-sig")):
        text = INDEX.decode().encode(encoding)
        packed = zipped(tmp_path / f"{number}.zip", {"dataset.json": text})
        assert packed.index().names == ["a/b.png"]


def test_names_are_found_composed_and_decomposed(tmp_path):
    composed, decomposed = "b/\u00e9.png", "b/e\u0301.png"
    for number, (stored, asked) in enumerate(((composed, decomposed), (decomposed, composed))):
        files = {stored: b"x", "dataset.json": INDEX}
        assert zipped(tmp_path / f"{number}.zip", files).read(asked) == b"x"
        folder = tmp_path / str(number)
        (folder / "b").mkdir(parents=True)
        (folder / stored).write_bytes(b"x")
        assert Archive(folder).read(asked) == b"x"
