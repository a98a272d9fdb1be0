"""Cases of tests/test_fuzz.py: one function for each verb, which is called in this process with a
file that is damaged or holds something else.
"""

import contextlib
import functools
import io
import json
import os
import random
import shutil
import string
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.build.application import _message
from pipeline.build.configuration import USER_ERRORS
from pipeline.build.setting_kinds import DECLARED, kinds, require_kinds
from pipeline.data.archive import Archive, BadDataset
from pipeline.portraits.cameras.files import read_cameras
from pipeline.verbs import (
    cameras,
    check,
    convert,
    distill,
    evaluate,
    export,
    licenses,
    lift,
    manifest,
    prepare,
    provenance,
    weights,
)
from tests.damage import VALUES, broken, names, says, with_value

LABEL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2.7, 0, 0, 0, 1, 4, 0, 0.5, 0, 4, 0.5, 0, 0, 1]
FIVE = [[22.0, 26], [42, 26], [32, 36], [25, 46], [39, 46]]
POSE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]]


@dataclass
class Given:
    """What all cases share.

    Attributes:
        roots: verb → its composed configuration.
        files: name → an intact file of that kind.
        folders: name → an intact folder of that kind.
    """

    roots: dict[str, DictConfig]
    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    @property
    def pictures(self) -> list[str]:
        """Names of the files that are pictures."""
        return [name for name in self.files if name.isupper()]


@dataclass
class Outcome:
    """What a verb did: the exit status (2 for an error of the user), all that it said."""

    status: int
    text: str


def run(verb: ModuleType, config: DictConfig, folder: Path) -> Outcome:
    """Calls a verb; anything but an error of the user is raised."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            verb.main(config)
            status = 0
        except SystemExit as end:
            assert end.code in range(5), f"status {end.code!r}"
            status = int(end.code or 0)
        except (*USER_ERRORS, InstantiationException, OmegaConfBaseException) as error:
            status = 2
            said.write(_message(error))
    return Outcome(status, said.getvalue().replace(str(folder), ""))


def settings(given: Given, verb: str, **changes: Any) -> DictConfig:
    config = given.roots[verb].copy()
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    return config


def require_said(outcome: Outcome, *wanted: str) -> None:
    """If the verb refused, its message has one of the texts."""
    if outcome.status:
        text = outcome.text
        assert any(one and one in text for one in wanted), f"{wanted} not in: {text[-300:]}"


def spoilt_json(
    random_: random.Random, path: Path, content: Any, values: tuple[Any, ...] = VALUES
) -> Callable[[Outcome], None]:
    """Writes JSON with one value replaced, or with broken bytes; returns what the outcome has to
    say: the value that came, or the file (also where nothing is in the value that could be shown).
    """
    value = random_.choice(values)
    changed, place = with_value(random_, content, value)
    text = json.dumps(changed).encode("utf-8", "surrogatepass")
    if random_.random() < 0.7:
        path.write_bytes(text)

        def require(outcome: Outcome) -> None:
            is_said = says(outcome.text, value) or (value in ([], {}) and path.name in outcome.text)
            if outcome.status and not is_said:
                raise AssertionError(f"{place}={value!r:.60}: {outcome.text[-300:]}")

        return require
    path.write_bytes(broken(random_, text))
    return lambda outcome: require_said(outcome, path.name, path.parent.name + ":", "'a", "of a")


def spoilt_file(random_: random.Random, path: Path, content: bytes) -> None:
    """A file of a kind that is damaged, of another kind, empty, a folder, or not there."""
    kind = random_.randrange(8)
    if kind == 0:
        path.write_bytes(b"")
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.write_bytes(
            random_.choice((b"hello", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"%PDF-1.7"))
        )
    elif kind == 3:
        os.symlink("nowhere", path)
    else:
        path.write_bytes(broken(random_, content))


def case_of_a_setting(random_: random.Random, given: Given, folder: Path) -> None:
    """A setting of a verb with any value: of its kind, or refused with its key and its value."""
    verb = random_.choice(sorted(DECLARED))
    key, value = random_.choice(sorted(kinds(verb))), random_.choice(VALUES)
    config = given.roots[verb].copy()
    try:
        OmegaConf.update(config, key, value, force_add=True)
        require_kinds(verb, config)
    except OmegaConfBaseException as error:  # one line, too: of Hydra's own
        assert str(error)
    except ValueError as error:
        assert str(error).startswith(key) and names(str(error), value), str(error)


def case_of_cameras(random_: random.Random, given: Given, folder: Path) -> None:
    """A camera file that is nearly right, converted to any format."""
    labels = {"labels": [["a.png", LABEL], ["b.png", LABEL]]}
    frame = {"file_path": "a", "transform_matrix": POSE}
    transforms = {"w": 64, "h": 64, "fl_x": 270, "frames": [frame, {**frame, "file_path": "b"}]}
    images = b"1 1 0 0 0 0 0 2.7 1 a.png\n\n2 1 0 0 0 0.1 0 2.7 1 b.png\n1.5 2.5 1\n"
    lens = b"1 PINHOLE 64 64 270 270 32 32\n"
    source, output = folder / "given", folder / "out"
    source.mkdir()
    kind = random_.randrange(4)
    path = source
    if kind < 2:
        path = source / ("dataset.json" if kind else "transforms.json")
        require = spoilt_json(random_, path, labels if kind else transforms)
    elif kind == 2:
        (source / "images.txt").write_bytes(broken(random_, images))
        (source / "cameras.txt").write_bytes(broken(random_, lens))
        require = functools.partial(_of_colmap)
    else:
        packed = struct.pack("<Qi7di", 1, 1, 1, 0, 0, 0, 0, 0, 2.7, 1) + b"a.png\0" + bytes(8)
        (source / "images.bin").write_bytes(broken(random_, packed))
        packed = struct.pack("<QiiQQ4d", 1, 1, 1, 64, 64, 270, 270, 32, 32)
        (source / "cameras.bin").write_bytes(broken(random_, packed))
        require = functools.partial(_of_colmap)
    to = random_.choice(("eg3d", "opengl", "blender", "nerf", "colmap", None))
    size = random_.choice((None, 64))
    config = settings(given, "cameras", input=str(path), to=to, output=str(output), size=size)
    outcome = run(cameras, config, folder)
    # 1: it was read, and seems to be of another convention; a size is missing whatever it says
    if outcome.status != 1 and "give size=" not in outcome.text:
        require(outcome)
    if outcome.status == 2:
        assert not output.exists(), "half written"


def _of_colmap(outcome: Outcome) -> None:
    require_said(outcome, "images.", "cameras.", "a.png", "b.png", "given", "camera ")


def case_of_lift(random_: random.Random, given: Given, folder: Path) -> None:
    """Photographs of which one is damaged: it is named, the others are lifted."""
    source = folder / "in"
    source.mkdir()
    spoilt_file(random_, source / "bad.png", given.files[random_.choice(given.pictures)])
    if random_.random() < 0.3 or not (source / "bad.png").is_file():
        (source / "good.png").write_bytes(given.files["PNG"])
    config = settings(given, "lift", input=str(source), output=str(folder / "out"))
    outcome = run(lift, config, folder)
    require_said(outcome, "bad.png")
    if (source / "good.png").exists():
        assert outcome.status in (0, 1) and (folder / "out" / "good" / "crop.png").exists()


def case_of_prepare(random_: random.Random, given: Given, folder: Path) -> None:
    """Photographs with landmarks beside them, one of both damaged; twice, since prepare resumes."""
    source, output = folder / "in", folder / "out"
    source.mkdir()
    kind, content = random_.randrange(4), {"landmarks": FIVE, "size": [64, 64]}
    (source / "good.png").write_bytes(given.files["PNG"])
    (source / "good.json").write_text(json.dumps({"landmarks": FIVE}))
    (source / "bad.png").write_bytes(given.files["PNG"])
    config = settings(given, "prepare", input=str(source), output=str(output))
    if kind == 0:
        (source / "bad.png").unlink()
        spoilt_file(random_, source / "bad.png", given.files[random_.choice(given.pictures)])
        is_folder = (source / "bad.png").is_dir()
        (source / "bad.json").write_text(json.dumps(content))
        # a folder is no photograph: then the landmarks beside it are what can't be used
        require_said(run(prepare, config, folder), "bad.json" if is_folder else "bad.png")
    elif kind == 1:
        require = spoilt_json(random_, source / "bad.json", content)
        outcome = run(prepare, config, folder)
        require_said(outcome, "bad.png")
        if outcome.status and "no face" not in outcome.text:
            require(outcome)
    else:
        (source / "bad.json").write_text(json.dumps(content))
        assert run(prepare, config, folder).status == 0
        if kind == 2:
            path = output / "prepare.json"
            require = spoilt_json(random_, path, json.loads(path.read_text()))
            outcome = run(prepare, config, folder)
            assert (
                not outcome.status
                or "begun with another" in outcome.text
                or require(outcome) is None
            )
        else:
            path = output / "portraits.jsonl"
            line, *others = path.read_text().splitlines(keepends=True)
            spoilt = broken(random_, line.encode())
            path.write_bytes(spoilt + b"\n" + "".join(others).encode())
            require_said(run(prepare, config, folder), "portraits.jsonl", "in/")
        assert (folder / "in" / "good.png").exists()


def case_of_manifest(random_: random.Random, given: Given, folder: Path) -> None:
    """A frozen folder whose manifest, or whose pictures, are damaged."""
    path = folder / "suite.json"
    require = spoilt_json(random_, path, json.loads(given.files["manifest"]))
    outcome = run(manifest, settings(given, "manifest", check=str(path)), folder)
    require_said(outcome, "suite.json")
    if outcome.status and "it was edited" not in outcome.text:
        require(outcome)


def _evaluation(given: Given, folder: Path) -> Path:
    copy = folder / "evaluation"
    shutil.copytree(given.folders["evaluation"], copy)
    return copy


def case_of_verify(random_: random.Random, given: Given, folder: Path) -> None:
    """An evaluation of which a file was changed: verify says which."""
    copy = _evaluation(given, folder)
    name = random_.choice(("results.json", "scores.jsonl", "manifest.json", "picture"))
    if name == "picture":
        path = random_.choice(sorted(copy.rglob("*.png")))
        path.write_bytes(broken(random_, path.read_bytes()))
        require_said(
            run(evaluate, settings(given, "evaluate", verify=str(copy)), folder), path.name
        )
        return
    path = copy / name
    line, *others = (
        path.read_text().splitlines(keepends=True) if name[0] == "s" else [path.read_text()]
    )
    require = spoilt_json(random_, path, json.loads(line))
    if others:
        path.write_bytes(path.read_bytes() + b"\n" + "".join(others).encode())
    outcome = run(evaluate, settings(given, "evaluate", verify=str(copy)), folder)
    if "differences" not in outcome.text:
        require(outcome)
    require_said(outcome, "evaluation")


def case_of_compare(random_: random.Random, given: Given, folder: Path) -> None:
    """Two evaluations, one of which has a damaged file."""
    copy = _evaluation(given, folder)
    path = copy / random_.choice(("results.json", "scores.jsonl"))
    line, *others = (
        path.read_text().splitlines(keepends=True)
        if path.suffix == ".jsonl"
        else [path.read_text()]
    )
    require = spoilt_json(random_, path, json.loads(line))
    if others:
        path.write_bytes(path.read_bytes() + b"\n" + "".join(others).encode())
    both = [str(given.folders["evaluation"]), str(copy)]
    config = settings(given, "evaluate", compare=both, output=str(folder / "out"))
    outcome = run(evaluate, config, folder)
    if "differ" not in outcome.text:
        require(outcome)


def case_of_predictions(random_: random.Random, given: Given, folder: Path) -> None:
    """Another program's predictions, of which the cameras or a picture are damaged."""
    copy = folder / "predictions"
    shutil.copytree(given.folders["predictions"], copy)
    config = settings(
        given, "evaluate", predictions=str(copy), methods=[], output=str(folder / "out")
    )
    if random_.random() < 0.6:
        path = copy / "cameras.json"
        require = spoilt_json(random_, path, json.loads(path.read_text()))
        outcome = run(evaluate, config, folder)
        if not any(word in outcome.text for word in ("has no label for", "another camera")):
            require(outcome)
        return
    path = min(copy.glob("*.png"))
    content = path.read_bytes()
    path.unlink()
    spoilt_file(random_, path, content)
    require_said(run(evaluate, config, folder), path.name, "predictions")


def case_of_a_capture(random_: random.Random, given: Given, folder: Path) -> None:
    """A suite of captures with a damaged description or manifest."""
    copy = folder / "suite"
    shutil.copytree(given.folders["suite"], copy)
    path = copy / random_.choice(("manifest.json", "anna/cameras.json"))
    require = spoilt_json(random_, path, json.loads(path.read_text()))
    if path.name == "cameras.json":
        (copy / "manifest.json").unlink()
    config = settings(
        given,
        "captures",
        output=str(folder / "out"),
        suite__path=str(copy),
        predictions=str(given.folders["captured"]),
    )
    outcome = run(evaluate, config, folder)
    others = ("differs", "rigid", "orthonormal", "not there", "has no label for", "another camera")
    if not any(word in outcome.text for word in others):
        require(outcome)


def case_of_a_shard(random_: random.Random, given: Given, folder: Path) -> None:
    """Training on a shard of another program that is damaged."""
    path = folder / "a.tar"
    spoilt_file(random_, path, given.files["shard"])
    config = settings(given, "distill", data__urls=str(path), paths__run=str(folder / "run"))
    require_said(run(distill, config, folder), "a.tar")


def case_of_convert(random_: random.Random, given: Given, folder: Path) -> None:
    """A damaged pickle: nothing is written; what goes wrong is said with the file's name."""
    path, output = folder / "a.pkl", folder / "out"
    content = given.files["pickle"]
    near = random_.randrange(2)
    start = broken(random_, content[:4096]) if near else content[:4096]
    path.write_bytes(start + (content[4096:] if near else broken(random_, content[4096:])))
    verb = random_.choice(("convert", "check"))
    if verb == "check":
        outcome = run(check, settings(given, "check", checkpoint=str(path)), folder)
    else:
        config = settings(given, "convert", checkpoint=str(path), output=str(output))
        outcome = run(convert, config, folder)
        assert outcome.status == 0 or not output.exists(), "half written"
    require_said(outcome, "a.pkl")


def case_of_check(random_: random.Random, given: Given, folder: Path) -> None:
    """A teacher's folder with a damaged file."""
    copy = folder / "teacher"
    shutil.copytree(given.folders["teacher"], copy)
    name = random_.choice(("passport.json", "config.json", "generator.safetensors"))
    path = copy / name
    if name.endswith(".json"):
        require = spoilt_json(random_, path, json.loads(path.read_text()))
    else:
        path.write_bytes(broken(random_, path.read_bytes()))
        require = functools.partial(require_said)
    outcome = run(check, settings(given, "check", checkpoint=str(copy)), folder)
    require_said(outcome, "teacher", "passport")
    if name.endswith(".json") and "do not belong" not in outcome.text:
        require(outcome)


def case_of_export(random_: random.Random, given: Given, folder: Path) -> None:
    """A damaged triplane or student, by export and by licenses."""
    path = folder / "triplane.safetensors"
    content = given.files["triplane"]
    size = 8 + int.from_bytes(content[:8], "little")
    if random_.random() < 0.8:  # where the metadata lie
        path.write_bytes(broken(random_, content[:size]) + content[size:])
    else:
        spoilt_file(random_, path, content)
    if random_.random() < 0.3:
        config = settings(given, "export", input=str(path), output=str(folder / "out"))
        require_said(run(export, config, folder), "triplane", "out")
    else:
        outcome = run(licenses, settings(given, "licenses", file=str(path)), folder)
        require_said(outcome, "triplane")


def case_of_provenance(random_: random.Random, given: Given, folder: Path) -> None:
    """A signed picture that was damaged: a verdict, never "valid" after a change."""
    path = folder / "a.png"
    spoilt_file(random_, path, given.files["signed"])
    outcome = run(provenance, settings(given, "provenance", action="show", file=str(path)), folder)
    require_said(outcome, "a.png")


def case_of_weights(random_: random.Random, given: Given, folder: Path) -> None:
    """A name that no weights have: it is said, and nothing is fetched."""
    name = random_.choice(("nothing", "facemesh/x", "'", "é", "a b", "../identity", "IDENTITY"))
    config = settings(given, "weights", name=[name], downloads=str(folder / "downloads"))
    config.paths.weights = str(folder / "weights")
    outcome = run(weights, config, folder)
    assert outcome.status == 2 and repr(name) in outcome.text


def case_of_a_zip(random_: random.Random, given: Given, folder: Path) -> None:
    """A zip with broken bytes: read, or refused as a data set with its name."""
    path = folder / "a.zip"
    path.write_bytes(broken(random_, given.files["zip"]))
    try:
        archive = Archive(path)
        for name in archive.index().names:
            archive.read(name)
    except BadDataset as error:
        assert "a.zip" in str(error)


def case_of_a_path(random_: random.Random, given: Given, folder: Path) -> None:
    """Any text as a path: the message has it."""
    name = "".join(
        random_.choices(string.printable + "é\u0939\udcfc", k=random_.choice((1, 9, 300)))
    ).replace("\0", "")
    name = name.lstrip("/")  # a path of its own
    try:
        read_cameras(folder / name)
    except USER_ERRORS as error:
        assert str(folder) in _message(error)
