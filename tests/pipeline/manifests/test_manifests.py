"""A signed file says where it comes from, and one altered byte shows."""

import dataclasses
import hashlib
import io
import shutil
import stat

import numpy as np
import pytest
from PIL import Image

from pipeline.manifests.certificate import (
    PRIVATE_KEY,
    ROOT,
    Credential,
    make_credential,
    read_credential,
)
from pipeline.manifests.signing import COMPOSITE, Origin, sidecar, sign
from pipeline.manifests.verification import STORE, verify
from tests.films import write_film

pytest.importorskip("c2pa", reason="pip install 'trilift[provenance]'")

ORIGIN = Origin(
    photograph_sha256=hashlib.sha256(b"photograph").hexdigest(),
    teacher="spheres",
    teacher_sha256="a" * 64,
    student_sha256="b" * 64,
    method="student",
    licence="Apache-2.0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    make_credential(folder, "A test")
    return folder


@pytest.fixture(scope="module")
def credential(folder) -> Credential:
    return read_credential(folder / "certificate.pem", folder / PRIVATE_KEY)


def picture(path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path, pixels


def altered(path, at: int):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp"])
def test_a_signed_picture_is_valid_until_one_bit_changes(name, credential, tmp_path):
    path, _ = picture(tmp_path / name)
    assert verify(path).state == "none"
    before = np.asarray(Image.open(path).convert("RGB"))
    assert sign(path, ORIGIN, credential) == path
    assert (np.asarray(Image.open(path).convert("RGB")) == before).all()
    verdict = verify(path)
    assert verdict.state == "untrusted" and verdict.reasons == ()
    altered(path, -20)
    assert verify(path).state == "broken"


def test_a_film_is_signed_whole(credential, tmp_path):
    pytest.importorskip("av")
    from pipeline.inference.video import write_video

    film = write_video(tmp_path / "film", [np.zeros((32, 32, 3), np.uint8)] * 3)
    assert film.suffix == ".mp4"
    sign(film, ORIGIN, credential)
    assert verify(film).state == "untrusted"
    altered(film, -200)
    assert verify(film).state == "broken"


@pytest.mark.parametrize("name", ["head.glb", "head.ply", "head.safetensors"])
def test_other_files_stay_and_get_a_sidecar(name, credential, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"any bytes at all")
    assert verify(path).state == "none"
    assert sign(path, ORIGIN, credential) == sidecar(path)
    assert path.read_bytes() == b"any bytes at all" and verify(path).state == "untrusted"
    altered(path, 3)
    assert verify(path).state == "broken"


@pytest.mark.parametrize(
    ("signed", "others"),
    [("a.jpg", ("jpe", "jfif", "JPG")), ("a.tiff", ("tif",)), ("a.avif", ("heic", "heif"))],
)
def test_a_copy_by_another_name_of_its_format_is_read(signed, others, credential, tmp_path):
    path, _ = picture(tmp_path / signed)
    sign(path, ORIGIN, credential)
    for suffix in others:
        copy = shutil.copy(path, tmp_path / f"copy.{suffix}")
        assert verify(copy).state == "untrusted", suffix
        altered(copy, -20)
        assert verify(copy).state == "broken", suffix


@pytest.mark.parametrize("suffix", ["m4v", "mov"])
def test_a_film_by_another_name_is_read(suffix, credential, tmp_path):
    film = write_film(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 3, sound=None)
    sign(film, ORIGIN, credential)
    assert verify(shutil.copy(film, tmp_path / f"copy.{suffix}")).state == "untrusted"


def test_a_sidecar_beside_a_format_that_is_only_read_counts(credential, tmp_path):
    path, _ = picture(tmp_path / "a.tif")
    assert sign(path, ORIGIN, credential) == sidecar(path)
    assert verify(path).state == "untrusted"


@pytest.mark.parametrize(("name", "these"), [("a.jxl", ".jxl files"), ("a", "without a suffix")])
def test_a_format_that_is_not_read_is_said(name, these, tmp_path):
    (tmp_path / name).write_bytes(b"any bytes at all")
    verdict = verify(tmp_path / name)
    assert verdict.state == "none" and f"{name}.c2pa" in verdict.reasons[0]
    assert f"{these} aren't read" in f"files {verdict.reasons[0]}"


@pytest.mark.parametrize("content", [b"", b"a text " * 40], ids=["empty", "text"])
def test_what_is_no_picture_and_was_never_signed_is_not_broken(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    verdict = verify(tmp_path / "a.png")
    assert verdict.state == "none" and "can't be read as image/png" in verdict.reasons[0]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.tiff", "a.avif"])
def test_a_signed_picture_whose_beginning_was_altered_is_broken(name, credential, tmp_path):
    path, _ = picture(tmp_path / name)
    sign(path, ORIGIN, credential)
    content = path.read_bytes()
    assert STORE in content
    path.write_bytes(b"no picture" + content[10:])
    assert verify(path).state == "broken"


def test_an_altered_manifest_is_broken(credential, tmp_path):
    path, _ = picture(tmp_path / "a.png")
    sign(path, ORIGIN, credential)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Apache-2.0", b"Apache-3.0"))
    assert path.read_bytes() != content and verify(path).state == "broken"


def test_the_manifest_says_what_and_from_what(credential, tmp_path):
    path, _ = picture(tmp_path / "a.png")
    sign(path, ORIGIN, credential)
    verdict = verify(path)
    (action,) = next(a for a in verdict.manifest["assertions"] if "actions" in a["label"])["data"][
        "actions"
    ]
    assert action["action"] == "c2pa.created" and action["digitalSourceType"] == COMPOSITE
    assert len(action["parameters"]["ingredients"]) == 1
    assert verdict.ingredients == [f"inputTo photograph sha256:{ORIGIN.photograph_sha256}"]
    assert verdict.origin["teacher"] == {"name": "spheres", "sha256": "a" * 64}
    assert verdict.origin["student"] == {"sha256": "b" * 64}
    assert verdict.origin["licence"] == "Apache-2.0"
    sign(path, dataclasses.replace(ORIGIN, photograph_sha256=None), credential)
    assert verify(path).ingredients == []


def test_the_file_holds_no_thumbnail_and_no_pixels_besides_its_own(credential, tmp_path):
    path, _ = picture(tmp_path / "a.png")
    plain = path.read_bytes()
    sign(path, ORIGIN, credential)
    content = path.read_bytes()
    assert len(content) - len(plain) < 20_000 and b"thumbnail" not in content
    assert content.count(b"IHDR") == 1 and b"JFIF" not in content
    stored = Image.open(io.BytesIO(content))
    assert not {"exif", "xmp"} & set(stored.info)


def test_a_trusted_root_makes_it_valid(folder, credential, tmp_path):
    path, _ = picture(tmp_path / "a.png")
    sign(path, ORIGIN, credential)
    assert verify(path, (folder / ROOT).read_bytes()).state == "valid"
    make_credential(tmp_path / "other", "Somebody else")
    assert verify(path, (tmp_path / "other" / ROOT).read_bytes()).state == "untrusted"


def test_the_key_is_its_owners_and_never_shown(folder, credential):
    assert stat.S_IMODE((folder / PRIVATE_KEY).stat().st_mode) == 0o600
    key = credential.private_key.decode()
    assert "PRIVATE KEY" in key and "private_key" not in repr(credential)
    with pytest.raises(FileExistsError, match="it stays"):
        make_credential(folder, "Another")
    assert (folder / PRIVATE_KEY).read_text() == key


def test_without_a_certificate_it_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="trilift provenance init"):
        read_credential(None, None)
    with pytest.raises(ValueError, match="together"):
        read_credential(tmp_path / "a.pem", None)


def test_a_key_that_does_not_fit_is_one_clear_error(folder, credential, tmp_path):
    path, _ = picture(tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="can't be signed"):
        sign(path, ORIGIN, dataclasses.replace(credential, private_key=b"no key"))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name",
    ["Max Planck Institute for Informatics", "A" * 64, "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 64],
    ids=["institute", "longest", "longest in bytes"],
)
def test_a_long_name_is_whole_as_the_organisation(name, tmp_path):
    make_credential(tmp_path, name)
    path, _ = picture(tmp_path / "a.png")
    sign(path, ORIGIN, read_credential(tmp_path / "certificate.pem", tmp_path / PRIVATE_KEY))
    verdict = verify(path, (tmp_path / ROOT).read_bytes())
    organisation, _, common_name = verdict.signer.partition(" / ")
    assert verdict.state == "valid" and organisation == name
    shortened, _, rest = common_name.partition("\N{HORIZONTAL ELLIPSIS}, signer ")
    assert rest == "(self-made, unverified)" and name.startswith(shortened) and len(shortened) >= 9


@pytest.mark.parametrize("name", ["", "A" * 65], ids=["empty", "too long"])
def test_a_name_that_no_certificate_holds_writes_nothing(name, tmp_path):
    with pytest.raises(ValueError, match="name= 1 to 64"):
        make_credential(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()
