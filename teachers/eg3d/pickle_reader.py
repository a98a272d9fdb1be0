"""Official EG3D snapshots as inert records: no code of the file's, or named by the file, ever runs.

A snapshot is a pickle of {training_set_kwargs, G, D, G_ema, augment_pipe}. Its modules are
persistent objects that carry the Python text they would be rebuilt from, and each tensor is a
second pickle inside a byte string. Both layers are read by `pickle_machine` with the globals
below, every one of which becomes a record here.
"""

import hashlib
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .legacy_storage import MAGIC, LegacyStorage, read_storage, view_tensor
from .pickle_machine import UnreadablePickle, read_pickle, short

MODULE_CLASSES = (
    "training.triplane.OSGDecoder",
    "training.volumetric_rendering.renderer.ImportanceRenderer",
    "training.volumetric_rendering.ray_marcher.MipRayMarcher2",
    "training.volumetric_rendering.ray_sampler.RaySampler",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.activation.Softplus",
    "torch.nn.parallel.data_parallel.DataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
    "torch._dynamo.eval_frame.OptimizedModule",
)

ALLOWED_GLOBALS = (
    "collections.OrderedDict",
    "dnnlib.util.EasyDict",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "_codecs.encode",
    "builtins.set",
    "__builtin__.set",
    "torch.storage._load_from_bytes",
    "torch_utils.persistence._reconstruct_persistent_obj",
    *MODULE_CLASSES,
)

OWN_PACKAGES = ("training.", "torch_utils.", "dnnlib.")
"""Packages of the official code, which forks keep below another package."""

WRAPPERS = ("_orig_mod", "module")
"""Modules that torch.compile and DistributedDataParallel put around a network."""

UNUSED_VALUES = (
    *("torch.Size", "torch.device", "builtins.complex", "builtins.bytearray", "builtins.frozenset"),
    *("builtins.slice", "builtins.range", "pathlib.PurePosixPath", "pathlib.PosixPath"),
    *("pathlib.PureWindowsPath", "pathlib.WindowsPath", "pathlib._local.PosixPath"),
    *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    *("numpy.ndarray", "collections.defaultdict", "torch.serialization._get_layout"),
    *("torch.float16", "torch.float32", "torch.float64", "torch.bfloat16", "torch.int64"),
)
"""Plain values that some programs keep as attributes of modules: each becomes an `Unused`, which no
setting may be.
"""

NUMPY_SCALARS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "b1": "<?"}

WHAT_IS_READ = (
    "trilift reads the network snapshots of the official EG3D training (network-snapshot-*.pkl,"
    " ffhq512-128.pkl, …)"
)


@dataclass
class ModuleRecord:
    """A pickled network module: class name, attributes, the sha256 of its source text (if any)."""

    class_name: str
    source_sha256: str | None = None
    state: dict[str, Any] = field(default_factory=dict)

    def children(self, kind: str) -> dict[str, Any]:
        """`_parameters`, `_buffers` or `_modules`; {} where there are none."""
        values = self.state.get(kind, {})
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise UnreadablePickle(
                f"{kind} of a {self.class_name} is not a dictionary of names: damaged"
            )
        return values


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _NumpyType:
    form: str


@dataclass(frozen=True)
class Unused:
    """A value of a kind that no network needs: its name alone."""

    name: str


class _SnapshotPolicy:
    """The globals of a snapshot, each turned into data."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}

    def find(self, name: str) -> _Global:
        name = _without_package(name)
        if name in ALLOWED_GLOBALS or name in UNUSED_VALUES:
            return _Global(name)
        if name.startswith("dnnlib.tflib."):
            raise UnreadablePickle(
                f"{short(name)}: a TensorFlow pickle of the first StyleGANs, not EG3D"
            )
        raise UnreadablePickle(
            f"the global {short(name)} is unsupported: it does not occur in official snapshots (a"
            " fork with its own modules?) and was refused"
        )

    def call(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        name = _token_name(token)
        if name == "collections.OrderedDict" and not arguments:
            return {}
        if name in UNUSED_VALUES:
            return Unused(name)
        if name.endswith(".set") and len(arguments) <= 1:
            return _set_of(*arguments)
        if name == "_codecs.encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return _latin1(arguments[0])
        if (
            name == "numpy.dtype"
            and arguments
            and isinstance(arguments[0], str)
            and arguments[0] in NUMPY_SCALARS
        ):
            return _NumpyType(NUMPY_SCALARS[arguments[0]])
        if name.endswith("multiarray.scalar") and len(arguments) == 2:
            return _numpy_scalar(*arguments)
        if (
            name == "torch.storage._load_from_bytes"
            and len(arguments) == 1
            and isinstance(arguments[0], memoryview)
        ):
            return read_storage(arguments[0])
        if (
            name == "torch._utils._rebuild_tensor_v2"
            and len(arguments) >= 4
            and isinstance(arguments[0], LegacyStorage)
        ):
            return view_tensor(*arguments[:4])
        if (
            name.startswith("torch._utils._rebuild_parameter")  # _with_state: and attributes
            and arguments
            and isinstance(arguments[0], np.ndarray)
        ):
            return arguments[0]
        if (
            name == "torch_utils.persistence._reconstruct_persistent_obj"
            and len(arguments) == 1
            and isinstance(arguments[0], dict)
        ):
            return self._persistent_object(arguments[0])
        raise UnreadablePickle(
            f"{name} is called with {len(arguments)} arguments of a kind that official snapshots"
            " never have: refused"
        )

    def create(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        name = _token_name(token)
        if name in UNUSED_VALUES:
            return Unused(name)
        if arguments:
            raise UnreadablePickle(f"an object of {name} with constructor arguments: refused")
        if name in MODULE_CLASSES:
            return ModuleRecord(name.rpartition(".")[2])
        if name in ("dnnlib.util.EasyDict", "collections.OrderedDict"):
            return {}
        raise UnreadablePickle(
            f"{name} is not a class whose objects occur in official snapshots: refused"
        )

    def build(self, record: Any, state: Any) -> None:
        if isinstance(record, _NumpyType | Unused) and isinstance(state, tuple):
            return
        if (
            isinstance(record, ModuleRecord)
            and record.source_sha256 is None
            and not record.state
            and isinstance(state, dict)
        ):
            record.state = state
            return
        raise UnreadablePickle(
            f"{short(record)} is given a state of {short(state)}, which official snapshots never"
            " do: refused"
        )

    def persistent(self, identity: Any) -> Any:
        raise UnreadablePickle("a persistent id outside of a tensor's storage: refused")

    def _persistent_object(self, meta: dict[Any, Any]) -> ModuleRecord:
        kind, source, name, state = (
            meta.get(key) for key in ("type", "module_src", "class_name", "state")
        )
        is_class = isinstance(kind, str) and kind == "class"
        if not (
            is_class
            and isinstance(source, str)
            and isinstance(name, str)
            and isinstance(state, dict)
        ):
            raise UnreadablePickle(
                "a persistent object without its type, module_src, class_name or state: damaged, or"
                " a later version"
            )
        if source not in self.hashes:
            self.hashes[source] = hashlib.sha256(
                source.encode("utf-8", "surrogatepass")
            ).hexdigest()
        return ModuleRecord(name, self.hashes[source], state)


def _without_package(name: str) -> str:
    """The official name of a global of a fork that keeps the official code below its own package:
    `eg3d.torch_utils.persistence…`.
    """
    parts = name.split(".")
    for start in range(1, min(len(parts) - 1, 5)):
        inner = ".".join(parts[start:])
        if inner.startswith(OWN_PACKAGES) and inner in ALLOWED_GLOBALS:
            return inner
    return name


def _set_of(items: Any = ()) -> set[str | int]:
    if not isinstance(items, list | tuple) or not all(type(item) in (str, int) for item in items):
        raise UnreadablePickle(f"a set of {short(items)}: unsupported, refused")
    return set(items)


def _latin1(text: Any) -> memoryview:
    """Bytes as protocols 0 to 2 write them: text, one character a byte."""
    if not isinstance(text, str):
        raise UnreadablePickle(f"{short(text)} where bytes should be: damaged")
    try:
        return memoryview(text.encode("latin1"))
    except UnicodeEncodeError as error:
        raise UnreadablePickle("a text that is no bytes: damaged") from error


def _token_name(token: Any) -> str:
    if not isinstance(token, _Global):
        raise UnreadablePickle(f"{short(token)} is called as if it were a function: refused")
    return token.name


def _numpy_scalar(kind: Any, data: Any) -> Any:
    if (
        not isinstance(kind, _NumpyType)
        or not isinstance(data, memoryview)
        or len(data) != struct.calcsize(kind.form)
    ):
        raise UnreadablePickle("a numpy number of an unknown kind or size: damaged")
    return struct.unpack(kind.form, data)[0]


def read_records(path: Path) -> dict[str, Any]:
    """Reads a snapshot file into a dictionary of plain data and `ModuleRecord`s.

    Arrays are views into the file.

    Raises:
        ValueError: with the file's name, what it is instead, and what to do.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file: give the path of an EG3D snapshot (.pkl)")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: download it again")
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    _refuse_other_formats(path, bytes(data[:64]))
    try:
        value, end = read_pickle(data, _SnapshotPolicy())
        if end != len(data) and not _is_torch_magic(value):
            raise UnreadablePickle(f"{len(data) - end} bytes follow the end of the pickle: damaged")
        return _require_snapshot(value)
    except UnreadablePickle as error:
        is_truncated = str(error).startswith("truncated")
        advice = (
            "Download or copy it again."
            if is_truncated
            else f"{WHAT_IS_READ}; nothing of this file was executed."
        )
        raise ValueError(f"{path} can't be read as an EG3D snapshot: {error}. {advice}") from error


def _refuse_other_formats(path: Path, head: bytes) -> None:
    if head.startswith(b"PK\x03\x04"):
        raise ValueError(
            f"{path} is a zip file, as torch.save writes it, not an EG3D snapshot. {WHAT_IS_READ},"
            " which are plain pickles."
        )
    if head.startswith(b"version https://git-lfs"):
        raise ValueError(
            f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` or download the file"
            " itself."
        )
    if head.lstrip()[:1] in (b"<", b"{"):
        raise ValueError(
            f"{path} is a web page or JSON, not an EG3D snapshot: the download needs its final"
            " address, or a login."
        )
    if head[:1] != b"\x80":
        raise ValueError(
            f"{path} is not a pickle (it begins with {head[:8].hex(' ')}). {WHAT_IS_READ}."
        )


def _is_torch_magic(value: Any) -> bool:
    return type(value) is int and value == MAGIC


def _require_snapshot(value: Any) -> dict[str, Any]:
    if _is_torch_magic(value):
        raise UnreadablePickle(
            "it is a state dict of torch.save (legacy format), which doesn't say what network it"
            " belongs to"
        )
    if not isinstance(value, dict):
        raise UnreadablePickle(f"it holds {short(value)} instead of a dictionary with G_ema")
    if not isinstance(value.get("G_ema"), ModuleRecord):
        raise UnreadablePickle(
            "it has no network 'G_ema', only"
            f" {', '.join(short(key) for key in list(value)[:8]) or 'nothing'}"
        )
    return value
