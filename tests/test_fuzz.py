"""No input of a user ends in a traceback: random settings and files, through the verbs themselves.

An error must be a `USER_ERRORS` whose message names the key, file or value that came, and nothing
is half written.
"""

import json
import random
import string
import struct
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.build.configuration import USER_ERRORS, compose
from pipeline.build.setting_kinds import DECLARED, kinds, require_kinds
from pipeline.data.archive import Archive, BadDataset
from pipeline.portraits.cameras.files import read_cameras
from pipeline.portraits.photograph import read_photograph
from pipeline.verbs import cameras

VALUES = (
    *(None, True, False, 0, -1, 1, 10**20, 10**400, 0.5, -2.5, float("nan"), float("inf")),
    *("", "abc", "1e3", "\0", "é" * 300, "a/b", "~", "${x", [], [1, "a"], {}, {"a": None}),
)
LABEL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2.7, 0, 0, 0, 1, 4, 0, 0.5, 0, 4, 0.5, 0, 0, 1]


@pytest.fixture(scope="module")
def roots():
    return {verb: compose(verb) for verb in DECLARED}


def case_of_a_setting(random_, roots, folder):
    """A setting of a verb with any value: of its kind, or refused with its key and its value."""
    verb = random_.choice(sorted(DECLARED))
    key, value = random_.choice(sorted(kinds(verb))), random_.choice(VALUES)
    config = roots[verb].copy()
    try:
        OmegaConf.update(config, key, value, force_add=True)
        require_kinds(verb, config)
    except OmegaConfBaseException as error:  # one line, too: of Hydra's own
        assert str(error)
    except ValueError as error:
        assert str(error).startswith(key)


def broken(random_, content):
    """Bytes with some cut, changed, doubled, or put in."""
    content = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        if not content:
            break
        at = random_.randrange(len(content))
        change = random_.randrange(5)
        if change == 0:
            content[at] ^= 1 << random_.randrange(8)
        elif change == 1:
            del content[at:]
        elif change == 2:
            content[at:at] = content[: random_.randrange(40)]
        elif change == 3:
            odd = (b"NaN", b"1e999", b"null", b"[", b"\xff", b'"x"', b"-1", b"0", b"\n", b"9" * 400)
            content[at : at + random_.randrange(6)] = random_.choice(odd)
        else:
            del content[at : at + random_.randrange(20)]
    return bytes(content)


def value_at_random(random_, node):
    """JSON with one value replaced, at any depth."""
    if isinstance(node, (dict, list)) and node and random_.random() < 0.85:
        copy = dict(node) if isinstance(node, dict) else list(node)
        key = random_.choice(list(copy)) if isinstance(copy, dict) else random_.randrange(len(copy))
        copy[key] = value_at_random(random_, copy[key])
        return copy
    return random_.choice(VALUES)


def case_of_cameras(random_, roots, folder):
    """A camera file that is nearly right, through the verb, converted to any format."""
    labels = {"labels": [["a.png", LABEL], ["b.png", LABEL]]}
    frame = {
        "file_path": "a",
        "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]],
    }
    transforms = {"w": 64, "h": 64, "fl_x": 270, "frames": [frame, {**frame, "file_path": "b"}]}
    images = b"1 1 0 0 0 0 0 2.7 1 a.png\n\n2 1 0 0 0 0.1 0 2.7 1 b.png\n1.5 2.5 1\n"
    lens = b"1 PINHOLE 64 64 270 270 32 32\n"
    source, output = folder / "given", folder / "out"
    source.mkdir()
    kind = random_.randrange(4)
    if kind < 2:
        path = source / ("dataset.json" if kind else "transforms.json")
        content = labels if kind else transforms
        text = json.dumps(value_at_random(random_, content)).encode("utf-8", "surrogatepass")
        path.write_bytes(text if random_.random() < 0.5 else broken(random_, text))
    elif kind == 2:
        path = source
        (source / "images.txt").write_bytes(broken(random_, images))
        (source / "cameras.txt").write_bytes(broken(random_, lens))
    else:
        path = source
        packed = struct.pack("<Qi7di", 1, 1, 1, 0, 0, 0, 0, 0, 2.7, 1) + b"a.png\0" + bytes(8)
        (source / "images.bin").write_bytes(broken(random_, packed))
        lens = struct.pack("<QiiQQ4d", 1, 1, 1, 64, 64, 270, 270, 32, 32)
        (source / "cameras.bin").write_bytes(broken(random_, lens))
    config = roots["cameras"].copy()
    to = random_.choice(("eg3d", "opengl", "blender", "nerf", "colmap", None))
    config.input, config.to, config.output = str(path), to, str(output)
    config.size = random_.choice((None, 64))
    try:
        cameras.main(config)
    except SystemExit as end:
        assert end.code in (0, 1, 2)
    except USER_ERRORS as error:
        assert not output.exists(), "half written"
        require_names(error, folder)


def case_of_a_picture(random_, roots, folder):
    """A picture with broken bytes: read, or refused in one sentence."""
    path = folder / "a.png"
    path.write_bytes(broken(random_, random_.choice(PICTURES)))
    try:
        read_photograph(path)
    except ValueError as error:
        assert str(error) and "\n" not in str(error)


def case_of_a_zip(random_, roots, folder):
    """A zip with broken bytes: read, or refused as a data set with its name."""
    path = folder / "a.zip"
    path.write_bytes(broken(random_, ZIPS[0]))
    try:
        archive = Archive(path)
        for name in archive.index().names:
            archive.read(name)
    except BadDataset as error:
        assert "a.zip" in str(error)


def case_of_a_path(random_, roots, folder):
    """Any text as a path."""
    name = "".join(
        random_.choices(string.printable + "é\u0939\udcfc", k=random_.choice((1, 9, 300)))
    )
    try:
        read_cameras(folder / name.replace("\0", ""))
    except USER_ERRORS as error:
        assert str(error)


def require_names(error, folder):
    """The message names the file, the image or the key that is wrong."""
    text = str(error).replace(str(folder), "")
    names = (
        "dataset.json",
        "transforms.json",
        "images.",
        "cameras.",
        "given",
        "'a",
        "of a",
        "of b",
    )
    keys = (
        "labels",
        "frames",
        "a.png",
        "b.png",
        "camera ",
        "a has",
        "b has",
        "frame",
        "intrinsics",
    )
    assert any(name in text for name in (*names, *keys)), text


def _pictures():
    import io

    from PIL import Image

    picture = Image.radial_gradient("L").resize((24, 24)).convert("RGB")
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        content = io.BytesIO()
        picture.save(content, format)
        yield content.getvalue()


def _zip():
    import io
    import zipfile

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.png", PICTURES[0])
        packed.writestr("dataset.json", json.dumps({"labels": [["a.png", LABEL]]}))
    return content.getvalue()


PICTURES = list(_pictures())
ZIPS = [_zip()]
CASES = (
    *(case_of_a_setting, case_of_cameras, case_of_cameras),
    *(case_of_a_picture, case_of_a_zip, case_of_a_path),
)


def run_cases(roots, folder: Path, seeds):
    failures = []
    for seed in seeds:
        random_ = random.Random(seed)
        inside = folder / str(seed)
        inside.mkdir()
        case = random_.choice(CASES)
        try:
            case(random_, roots, inside)
        except Exception as error:
            failures.append(f"seed {seed}, {case.__name__}: {type(error).__name__}: {error}"[:300])
    assert not failures, "\n".join([f"{len(failures)} failures", *failures[:40]])


def test_no_input_ends_in_a_traceback(roots, tmp_path):
    run_cases(roots, tmp_path, range(500))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_input_of_very_many_ends_in_a_traceback(roots, tmp_path):
    run_cases(roots, tmp_path, range(1000, 51_000))
