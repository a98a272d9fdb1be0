"""A JSON file of a user, or of another run, that holds something else is one sentence: the file,
what came, and what was expected.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pytest
import torch
from PIL import Image

from pipeline.data.archive import Archive
from pipeline.data.preparation import Preparation
from pipeline.data.shard_folder import ShardFolder
from pipeline.evaluation.captures.captures import read_capture
from pipeline.evaluation.foreign import ForeignMethod
from pipeline.evaluation.results import read_results_json, read_score_lines
from pipeline.evaluation.suite_files import read_manifest
from pipeline.inference.triplane_file import FORMAT, read_triplane
from pipeline.lifter import read_description
from pipeline.portraits.cached_landmarks import CachedLandmarks
from pipeline.portraits.cameras.files import read_cameras
from pipeline.portraits.face import Picture
from pipeline.portraits.frozen import Frozen
from pipeline.portraits.prepared import PreparedCrops
from pipeline.runs.resume import read_state
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.tensor_file import write_tensors
from pipeline.sweeps.cell import Cell
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import load_discriminator
from teachers.passport import Passport
from teachers.plain_values import misfit, parse_json, read_json_file, require_shape

GREY = Image.new("RGB", (64, 64), "grey")
LABEL = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2.7, 0, 0, 0, 1, 4, 0, 0.5, 0, 4, 0.5, 0, 0, 1]
POSE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 3], [0, 0, 0, 1]]
MEANS = {"psnr": {"mean": 1.0, "low": 1.0, "high": 1.0, "identities": 1, "pictures": 1}}
SCORES = {"all": MEANS, "found": MEANS, "by_part": {"face": MEANS}, "by_group": {"dark": MEANS}}
GAP = {"title": "same view", "from_deg": 0.0, "to_deg": None, **MEANS}
METRIC = {"title": "PSNR", "unit": "dB", "more_is_better": True, "is": "", "digits": 2}
HARDWARE = {"processor": "a", "gpu": None, "cores": 1, "threads": 1, "memory_gib": 1.0}
RESULTS = {
    **{
        "schema": 2,
        "suite": "a",
        "manifest_sha256": "0",
        "gaps_deg": [0.0],
        "parts": {"face": [1]},
    },
    "methods": {"a": {"title": "a", "kind": "student", "notes": ["b"], "seconds": 1.0}},
    "metrics": {"psnr": {**METRIC, "weights": {"file": "a", "sha256": "0"}}},
    "scores": {"a": {**SCORES, "by_yaw_gap": [GAP]}},
    "run": {"command": "a", "seconds": 1.0, "hardware": HARDWARE, "versions": {"torch": "2"}},
    "checkpoint": {"path": "a", "sha256": "0", "step": 1, "encoder_parameters": 1},
    "measures": {"settings": {"lpips": {}}, "pose_estimator": {"_target_": "a"}},
    "unavailable": [{"metric": "fid", "why": "a"}],
    "counted": {"items": 1, "faces_found": 1, "missing_predictions": {"a": 0}},
    "comparisons": [{"first": "a", "second": "b", "metric": "psnr", "difference": 1.0, "wins": 1}],
    "extras": {"a": {"title": "a", "table": {}, "notes": ["a"]}},
}
LINE = {
    **{"method": "a", "item": "b", "view": 0, "subject": "b", "face_found": True, "camera": LABEL},
    **{"psnr": 1.0, "truth_sha256": "0", "seconds": None, "group": None},
    **{"parts": {"face": {"psnr": 1.0}}, "files": {"truth": "a.png", "depth": None}},
}
STATE = {"format": 1, "parts": {}, "tensors": {}, "state": {}}
ENTRY = {"name": "a", "file": "a.png", "sha256": "0" * 64, "frame": None, "crop": None}
MANIFEST = {
    **{"kind": "trilift photographs", "schema": 1, "licence": "", "counts": {}},
    "detector": {"name": "a", "trilift": "1", "sha256": None},
    "films": {"every": 1, "most": None},
    "pictures": [{**ENTRY, "camera": None, "face_found": False, "note": ""}],
}


def metadata(key: str) -> Callable[[Path, bytes], None]:
    """Writes a text into the metadata of a tensor file."""

    def write(path: Path, content: bytes) -> None:
        text = content.decode(errors="surrogateescape").encode("utf-8", "replace").decode()
        others = {"axes": '["xy", "xz", "zx"]', "box_size": "1.0", "format": FORMAT}
        write_tensors(path, {"planes": torch.zeros(3, 1, 2, 2)}, {**others, key: text})

    return write


def eg3d(folder: Path) -> None:
    (folder / "generator.safetensors").write_bytes(b"")
    load_teacher(folder)


def discriminator(folder: Path) -> None:
    (folder / "discriminator.safetensors").write_bytes(b"")
    load_discriminator(folder)


def crops(folder: Path) -> None:
    GREY.save(folder / "a.png")
    PreparedCrops().frame(Picture(GREY, folder / "a.png"))


def cell(folder: Path) -> None:
    Cell("distill", (), (), folder).record()


READERS: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
    "labels of crops": ("dataset.json", crops, {"labels": [["a.png", LABEL]]}),
    "labels": ("dataset.json", lambda f: read_cameras(f / "dataset.json"), {"labels": []}),
    "transforms": (
        "transforms.json",
        lambda f: read_cameras(f / "transforms.json"),
        {"frames": [{"transform_matrix": POSE}]},
    ),
    "landmarks": (
        "a.json",
        lambda f: CachedLandmarks().detect(Picture(GREY, f / "a.png")),
        {"landmarks": []},
    ),
    "photographs' manifest": ("m.json", lambda f: Frozen.read(f / "m.json"), MANIFEST),
    "collection": ("dataset.json", lambda f: Archive(f).index(), {"labels": [["a.png", LABEL]]}),
    "preparation": ("prepare.json", lambda f: Preparation(f, {}), {}),
    "prepared records": (
        "portraits.jsonl",
        lambda f: (f / "prepare.json").write_text('{"mirrored": false}') and Preparation(f, {}),
        {"source": "a", "hash": "", "portraits": [{"name": "a", "file": None, "camera": None}]},
    ),
    "predictions": ("cameras.json", ForeignMethod.read, {"labels": [["a_0.png", LABEL]]}),
    "capture": (
        "cameras.json",
        read_capture,
        {"schema": 1, "given": "a", "frames": [{"image": "a", "camera": LABEL}]},
    ),
    "suite's manifest": ("manifest.json", read_manifest, {"schema": 1, "files": {}}),
    "results": ("results.json", read_results_json, RESULTS),
    "score lines": ("scores.jsonl", read_score_lines, LINE),
    "shards": ("description.json", lambda f: ShardFolder(f).read(), {"schema_version": 1}),
    "passport": ("passport.json", lambda f: Passport.read(f / "passport.json"), {}),
    "discriminator": ("discriminator.json", discriminator, {"resolution": 64}),
    "run": ("config.json", lambda f: RunFolder(f).recorded(), {}),
    "run's status": (
        "status.json",
        lambda f: RunFolder(f).status(),
        {"status": "finished", "process": 1, "host": "a"},
    ),
    "training state": ("state.json", read_state, STATE),
    "cell of a sweep": (
        "cell.json",
        cell,
        {"state": "finished", "fingerprint": "", "overrides": [], "attempts": 1, "seconds": 1.5},
    ),
}
"""Kind of file → its name, what reads it from a folder, a content that has the right shape."""

WRITERS = {
    "student": ("student.safetensors", metadata("lifter"), read_description),
    "triplane": ("triplane.safetensors", metadata("passport"), read_triplane),
}
"""Kinds whose JSON is the metadata of a tensor file."""


def refused(read: Callable[[Path], Any], folder: Path) -> str:
    """The message, which has to be one sentence with the file's name."""
    with pytest.raises(ValueError) as caught:
        read(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "came"),
    [
        (b"[1, 2]\n", "[1, 2]"),
        (b'"text"\n', "'text'"),
        (b"{\n", "isn't JSON"),
        (b'{"a": "\xe9"}\n', "byte 7"),
        (b"[" * 100_000 + b"\n", "nested too deeply"),
    ],
    ids=["list", "text", "cut", "latin-1", "deep"],
)
@pytest.mark.parametrize("kind", [*READERS, *WRITERS])
def test_what_came_and_the_file_are_named(tmp_path, kind, content, came):
    if kind in READERS:
        name, read, _ = READERS[kind]
        (tmp_path / name).write_bytes(content)
    else:
        name, write, read_file = WRITERS[kind]
        if came == "byte 7":
            pytest.skip("metadata of tensors are Unicode")
        write(tmp_path / name, content)

        def read(folder: Path) -> Any:
            return read_file(folder / name)

    said = refused(read, tmp_path)
    assert name in said and came in said
    assert came != "[1, 2]" or "expected " in said


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values within JSON, itself excluded."""
    if isinstance(node, dict):
        return [p for key, one in node.items() for p in ((*path, key), *leaves(one, (*path, key)))]
    if isinstance(node, list) and node:
        return [(*path, 0), *leaves(node[0], (*path, 0))]
    return []


def with_value(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(node))
    for key in path[:-1]:
        copy = copy[key]
    copy[path[-1]] = value
    return copy


WITH_TYPED_VALUES = (
    "labels of crops",
    "photographs' manifest",
    "predictions",
    "capture",
    "results",
)
WITH_TYPED_VALUES += ("score lines", "suite's manifest", "prepared records", "cell of a sweep")
WITH_TYPED_VALUES += ("transforms", "run's status", "training state", "discriminator")


@pytest.mark.parametrize("kind", WITH_TYPED_VALUES)
def test_a_value_of_another_kind_anywhere_is_named(tmp_path, kind):
    name, read, right = READERS[kind]
    for path in leaves(right):
        root: dict[str, Any] = {}
        changed = json.loads(json.dumps(right))
        node = changed
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = {"odd": math.nan} if not isinstance(node[path[-1]], dict) else [7.25]
        (tmp_path / name).write_text(json.dumps(changed) + "\n")
        said = refused(read, tmp_path)
        assert name in said and ("odd" in said or "7.25" in said), f"{path}: {said}"
        assert not root


def test_the_readers_take_what_has_the_right_shape(tmp_path):
    for kind in ("labels of crops", "predictions", "results", "score lines", "suite's manifest"):
        name, read, right = READERS[kind]
        folder = tmp_path / kind
        folder.mkdir()
        (folder / name).write_text(json.dumps(right) + "\n")
        read(folder)


class Frame(TypedDict):
    image: str
    camera: list[float]
    mask: NotRequired[str | None]


class Frames(TypedDict):
    frames: list[Frame]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"frames": []}, ""),
        ({"frames": [{"image": "a", "camera": [1, 2.5]}], "more": 1}, ""),
        ([1], "holds [1]: expected keys with values, among them 'frames'"),
        ({}, "holds {}: expected a key 'frames'"),
        ({"frames": 3}, "frames is 3: expected a list"),
        ({"frames": [{"image": "a"}]}, "frames[0] is {'image': 'a'}: expected a key 'camera'"),
        (
            {"frames": [{"image": "a", "camera": [1, math.nan]}]},
            "frames[0].camera[1] is nan: expected a number",
        ),
        (
            {"frames": [{"image": "a", "camera": [], "mask": 3}]},
            "frames[0].mask is 3: expected a text",
        ),
        ({"frames": [{"image": "a" * 99, "camera": 1}]}, "frames[0].camera is 1: expected a list"),
    ],
)
def test_the_first_misfit_is_put_in_words(value, said):
    found = misfit(value, Frames)
    assert found.startswith(said) if said else not found


def test_a_long_value_is_cut_off():
    assert len(misfit({"frames": "a" * 999}, Frames)) < 150
    assert "99999" not in misfit({"frames": 10**5000}, Frames)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_byte_order_mark_are_read(tmp_path, encoding):
    (tmp_path / "a.json").write_text('{"ü": 1}', encoding=encoding)
    assert read_json_file(tmp_path / "a.json", dict[str, int]) == {"ü": 1}


def test_a_dataclass_is_made_of_its_fields_and_no_others():
    values = json.loads(Path("teachers/pretrained/puppets/passport.json").read_text())
    assert require_shape(values, Passport, "a").name == "puppets"
    with pytest.raises(ValueError, match="a has a key 'colour', which this version doesn't know"):
        require_shape({**values, "colour": 1}, Passport, "a")
    with pytest.raises(ValueError, match="a: focal is 'long': expected a number"):
        require_shape({**values, "focal": "long"}, Passport, "a")


def test_advice_follows_what_is_wrong():
    with pytest.raises(ValueError, match=r"^b holds 3: expected keys with values: write it again$"):
        parse_json("3", "b", dict[str, Any], "write it again")
