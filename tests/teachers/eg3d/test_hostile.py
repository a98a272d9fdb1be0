"""Snapshots with a payload for plain pickle are refused or read as data; it never runs.

Every payload creates a file. Each test first shows that plain unpickling really runs it, then that
our reader doesn't.
"""

import builtins
import contextlib
import copyreg
import io
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

from teachers.eg3d.legacy_storage import read_storage
from teachers.eg3d.pickle_machine import UnreadablePickle
from teachers.eg3d.snapshot import read_snapshot


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def touch(path: Path) -> str:
    return f"touch {path}"


def python(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def in_a_list(path: Path) -> bytes:
    return b"](" + text("touch") + text(str(path)) + b"e\x85R."


def through_getattr(path: Path) -> bytes:
    module = call(named("builtins", "__import__"), text("os"))
    return (
        b"\x80\x04"
        + call(call(named("builtins", "getattr"), module, text("system")), text(touch(path)))
        + b"."
    )


def behind_an_allowed_module(path: Path) -> bytes:
    """`collections` is on the list, what can be reached from it by dots is not."""
    return (
        b"\x80\x04"
        + call(named("collections", "_sys.modules.get"), text("os"))
        + b"0"
        + through_a_dotted_name(path, "torch._utils")
    )


def through_a_dotted_name(path: Path, module: str = "pathlib") -> bytes:
    return call(named(module, "os.system"), text(touch(path))) + b"."


def from_the_memo(path: Path) -> bytes:
    return (
        b"\x80\x04"
        + text("os")
        + b"q\x07"
        + text("system")
        + b"q\x0900h\x07h\x09\x93"
        + text(touch(path))
        + b"\x85R."
    )


def after_an_allowed_call(path: Path) -> bytes:
    good = b"\x80\x04}(" + text("G_ema") + named("collections", "OrderedDict") + b")R"
    return good + text("D") + call(named("os", "system"), text(touch(path))) + b"u."


OUTER = {
    "os.system": lambda path: pickle.dumps({"G_ema": Calls(os.system, touch(path))}, 4),
    "eval": lambda path: pickle.dumps({"G_ema": Calls(eval, python(path))}, 4),
    "exec, protocol 2": lambda path: pickle.dumps({"G_ema": Calls(exec, python(path))}, 2),
    "a subprocess": lambda path: b"\x80\x04" + named("subprocess", "check_call") + in_a_list(path),
    "a dotted name": lambda path: b"\x80\x04" + through_a_dotted_name(path),
    "a dotted name behind an allowed module": behind_an_allowed_module,
    "getattr": through_getattr,
    "the text opcode GLOBAL": lambda path: b"\x80\x02cos\nsystem\n" + text(touch(path)) + b"\x85R.",
    "the old opcode INST": lambda path: b"\x80\x02(" + text(touch(path)) + b"ios\nsystem\n.",
    "the old opcode OBJ": lambda path: b"\x80\x02(cos\nsystem\n" + text(touch(path)) + b"o.",
    "a name hidden in the memo": from_the_memo,
    "after an allowed call": after_an_allowed_call,
    "an object that acts when created": lambda path: (
        b"\x80\x04" + named("somewhere", "Acts") + text(str(path)) + b"\x85\x81."
    ),
    "the same with keywords": lambda path: (
        b"\x80\x04" + named("somewhere", "Acts") + text(str(path)) + b"\x85}\x92."
    ),
}


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def wait_for(path: Path) -> bool:
    """Whether the payload's file appears (a subprocess needs a moment)."""
    deadline = time.monotonic() + 5
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.exists()


@pytest.mark.parametrize("name", OUTER)
def test_a_hostile_outer_pickle_is_refused(name, tmp_path, monkeypatch):
    somewhere = ModuleType("somewhere")
    somewhere.Acts = type("Acts", (), {"__new__": lambda cls, path: Path(path).touch()})
    monkeypatch.setitem(sys.modules, "somewhere", somewhere)
    witness = tmp_path / "ran"
    data = OUTER[name](witness)
    pickle.loads(data)
    assert wait_for(witness), "the payload is harmless: this test proves nothing"
    witness.unlink()
    with pytest.raises(ValueError, match=r"refused|not an opcode|hostile"):
        read_snapshot(write(tmp_path / "network.pkl", data))
    assert not witness.exists()


def test_the_extension_registry_is_refused(tmp_path):
    witness = tmp_path / "ran"
    copyreg.add_extension("os", "system", 240)
    try:
        data = b"\x80\x04\x82\xf0" + text(touch(witness)) + b"\x85R."
        pickle.loads(data)
        assert wait_for(witness)
        witness.unlink()
        with pytest.raises(ValueError, match="EXT1"):
            read_snapshot(write(tmp_path / "network.pkl", data))
    finally:
        copyreg.remove_extension("os", "system", 240)
    assert not witness.exists()


def test_a_persistent_id_is_refused(tmp_path):
    with pytest.raises(ValueError, match="persistent id"):
        read_snapshot(write(tmp_path / "network.pkl", b"\x80\x04" + text("payload") + b"Q."))


def test_the_offending_name_is_in_the_message(tmp_path):
    with pytest.raises(ValueError, match=r"posix.system|os.system|nt.system"):
        read_snapshot(write(tmp_path / "network.pkl", OUTER["os.system"](tmp_path / "ran")))


@pytest.fixture
def official_modules(monkeypatch):
    """Importable stand-ins for the official packages, as a user's environment may have them."""
    names = (
        "torch_utils",
        "torch_utils.persistence",
        "training",
        "training.triplane",
        "training.volumetric_rendering",
        "dnnlib",
        "dnnlib.util",
    )
    names += tuple(
        f"training.volumetric_rendering.{name}"
        for name in ("renderer", "ray_marcher", "ray_sampler")
    )
    modules = {name: ModuleType(name) for name in names}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    modules["dnnlib.util"].EasyDict = dict
    for name in ("OSGDecoder", "ImportanceRenderer", "MipRayMarcher2", "RaySampler"):
        for module in modules.values():
            setattr(module, name, type(name, (), {}))
    return modules


def small_snapshot(official):
    return official.official_snapshot(
        {"backbone.a": torch.ones(2), "decoder.net.0.weight": torch.ones(1)}
    )


def test_embedded_source_text_is_never_executed(official, official_modules, tmp_path):
    witness = tmp_path / "ran"
    snapshot = small_snapshot(official)
    snapshot["G_ema"].meta["module_src"] = python(witness)
    data = official.official_pickle(snapshot)
    official_modules["torch_utils.persistence"]._reconstruct_persistent_obj = lambda meta: (
        builtins.exec(meta["module_src"]) or meta
    )
    harmless = b"#" * len(official.PLACEHOLDER_SOURCE)
    pickle.loads(data.replace(official.PLACEHOLDER_SOURCE.encode(), harmless))
    assert witness.exists()
    witness.unlink()
    assert "backbone.a" in read_snapshot(write(tmp_path / "network.pkl", data)).generator_state
    assert not witness.exists()


def test_a_class_that_acts_when_given_its_state_is_never_looked_up(
    official, official_modules, tmp_path
):
    witness = tmp_path / "ran"
    decoder = type("OSGDecoder", (), {"__setstate__": lambda self, state: witness.touch()})
    official_modules["training.triplane"].OSGDecoder = decoder
    official_modules["torch_utils.persistence"]._reconstruct_persistent_obj = lambda meta: meta
    data = official.official_pickle(small_snapshot(official))
    pickle.loads(data)
    assert witness.exists()
    witness.unlink()
    read_snapshot(write(tmp_path / "network.pkl", data))
    assert not witness.exists()


@pytest.mark.parametrize(
    "tail",
    [
        b"(K\x01K\x02t(K\x01tR.",
        named("collections", "OrderedDict") + text("x") + b"R.",
        named("collections", "OrderedDict") + text("x") + b"\x85R.",
        named("training.triplane", "OSGDecoder") + text("x") + b"\x85\x81.",
        named("torch.storage", "_load_from_bytes") + text("x") + b"\x85R.",
        named("torch.storage", "_load_from_bytes") + b")\x81.",
        named("torch._utils", "_rebuild_tensor_v2") + b"(NK\x00))tR.",
        named("torch._utils", "_rebuild_parameter") + b"NNN\x87R.",
        named("torch_utils.persistence", "_reconstruct_persistent_obj") + b"}\x85R.",
        named("training.triplane", "OSGDecoder")
        + b")\x81}b}("
        + text("__class__")
        + b"Nub}("
        + text("again")
        + b"Nub.",
        b"}}b.",
        text("os") + b"K\x01\x93.",
    ],
)
def test_allowed_names_used_in_other_ways_are_refused(tmp_path, tail):
    with pytest.raises(ValueError, match=r"refused|damaged|tensor's storage"):
        read_snapshot(write(tmp_path / "network.pkl", b"\x80\x04" + tail))


# The inner layer: the bytes of a tensor's storage


def storage_parts() -> list[bytes]:
    """The five pickles of a storage blob and its data."""
    buffer = io.BytesIO()
    torch.save(torch.ones(3).storage(), buffer, _use_new_zipfile_serialization=False)
    data, cuts = buffer.getvalue(), [0]
    reader = io.BytesIO(data)
    for _ in range(5):
        unpickler = pickle.Unpickler(reader)
        unpickler.persistent_load = lambda identity: identity
        unpickler.load()
        cuts.append(reader.tell())
    return [data[start:end] for start, end in zip(cuts, [*cuts[1:], None], strict=True)]


def hostile_blobs(witness: Path) -> dict[str, bytes]:
    parts = storage_parts()
    payload = pickle.dumps(Calls(os.system, touch(witness)), 2)
    blobs = {}
    for index, place in enumerate(["magic number", "version", "system", "storage record", "keys"]):
        blobs[place] = b"".join([*parts[:index], payload, *parts[index + 1 :]])
    header = pickle.dumps(
        {
            "protocol_version": 1001,
            "little_endian": True,
            "type_sizes": Calls(exec, python(witness)),
        },
        2,
    )
    blobs["inside the header"] = b"".join([*parts[:2], header, *parts[3:]])
    blobs["instead of everything"] = payload
    blobs["in the storage's type"] = b"".join(
        [
            *parts[:3],
            parts[3].replace(
                b"ctorch\nFloatStorage\n", b"cos\nsystem\n" + text(touch(witness)) + b"\x85R"
            ),
            *parts[4:],
        ]
    )
    return blobs


@pytest.mark.parametrize("place", list(hostile_blobs(Path("unused"))))
def test_a_hostile_storage_blob_is_refused(official, tmp_path, place):
    witness = tmp_path / "ran"
    blob = hostile_blobs(witness)[place]
    with contextlib.suppress(
        Exception
    ):  # torch stumbles over the payload's result, after having run it
        torch.storage._load_from_bytes(blob)
    assert wait_for(witness), "the payload is harmless: this test proves nothing"
    witness.unlink()
    with pytest.raises(UnreadablePickle):
        read_storage(memoryview(blob))
    data = official.official_pickle(small_snapshot(official))
    inner = next(
        argument
        for operation, argument, _ in pickletools.genops(data)
        if operation.name.endswith("BINBYTES") and len(argument) > 100
    )
    frameless = b"\x80\x04" + data[11:]
    prefix = (
        b"B" + struct.pack("<I", len(inner))
        if b"B" + struct.pack("<I", len(inner)) + inner in frameless
        else b"C" + bytes([len(inner)])
    )
    hostile = frameless.replace(prefix + inner, b"B" + struct.pack("<I", len(blob)) + blob)
    with pytest.raises(ValueError, match="tensor's storage"):
        read_snapshot(write(tmp_path / "network.pkl", hostile))
    assert not witness.exists()


# Small files that ask for much


@pytest.mark.parametrize(
    "data",
    {
        "announced string": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x",
        "announced bytes": b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"x",
        "announced frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.",
        "long memo index": b"\x80\x04N" + b"r" + struct.pack("<I", (1 << 32) - 1) + b".",
        "nested tuples as a key": (
            b"\x80\x04})"
            + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
            + b"Ns."
        ),
        "nested marks": b"\x80\x04" + b"(" * 100_000 + b".",
        "endless integer": b"\x80\x04\x8b" + struct.pack("<I", 1 << 30) + b"\x01",
    }.values(),
)
def test_small_files_that_ask_for_much_end_quickly(tmp_path, data):
    start = time.process_time()
    with pytest.raises(ValueError):
        read_snapshot(write(tmp_path / "network.pkl", data))
    assert time.process_time() - start < 10


def test_settings_that_repeat_themselves_exponentially_are_refused(official, tmp_path):
    value: list = []
    for _ in range(60):
        value = [value, value]
    data = official.official_pickle(
        official.official_snapshot(
            {"backbone.a": torch.ones(2), "decoder.b": torch.ones(1)},
            rendering_kwargs={"box_warp": value},
        )
    )
    start = time.process_time()
    with pytest.raises(ValueError, match="larger or deeper"):
        read_snapshot(write(tmp_path / "network.pkl", data))
    assert time.process_time() - start < 10


def test_no_module_of_the_official_code_is_imported(official, tmp_path):
    path = write(tmp_path / "network.pkl", official.official_pickle(small_snapshot(official)))
    code = (
        "import sys, pathlib\nfrom teachers.eg3d.snapshot import read_snapshot\n"
        f"before = set(sys.modules)\nread_snapshot(pathlib.Path({str(path)!r}))\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'training', 'torch_utils', 'dnnlib', 'pickle', 'torch'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
