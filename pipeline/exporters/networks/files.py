"""A traced network as files: ONNX, OpenVINO, torch; and the programs that read each."""

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.inference.runtimes.network_file import (
    METADATA,
    ONNX,
    OPENVINO,
    TORCH_EXPORT,
    seal_openvino,
    write_onnx,
    write_properties,
)
from pipeline.inference.runtimes.onnx_graph import Graph, onnx_model, traced
from pipeline.inference.runtimes.sessions import OnnxRuntime, OpenVino, Session
from pipeline.runs.files import replaced_file

FORMATS = {"onnx": ONNX, "openvino": OPENVINO, "torch": TORCH_EXPORT}
"""Names, with the suffix of the file."""

NEEDS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
"""The modules of the extras of these names."""


def chosen_network_formats(given: object) -> tuple[str, ...]:
    """The formats of a setting: one name, names with commas between them, or a list.

    Raises:
        ValueError: a name isn't one, none is given, or a library is missing.
    """
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not names:
        raise ValueError(f"format is {given!r}: a network takes some of {', '.join(FORMATS)}")
    chosen = tuple(dict.fromkeys(str(name).strip() for name in names))
    for name in chosen:
        if name not in FORMATS:
            raise ValueError(
                f"format {name!r} is no format of a network: give some of {', '.join(FORMATS)}"
            )
        missing = [part for part in NEEDS.get(name, ()) if importlib.util.find_spec(part) is None]
        if missing:
            raise ValueError(
                f"format={name} needs {' and '.join(missing)}, not installed here: pip install"
                f" 'trilift[{name}]'"
            )
    return chosen


def write_network(
    graph: Graph, metadata: dict[str, str], folder: Path, formats: Sequence[str]
) -> dict[str, list[Path]]:
    """Writes folder/NETWORK.SUFFIX in each format; missing folders are made.

    Returns:
        the files of each format, the one to open first.

    Raises:
        ValueError: the network can't be exported.
    """
    program = traced(graph)
    written = {}
    model = onnx_model(graph, program) if {*formats} - {"torch"} else None
    if model is not None:
        write_properties(model, metadata)
    for name in formats:
        path = folder / f"{metadata['network']}{FORMATS[name]}"
        if name == "torch":
            with replaced_file(path) as temporary:
                _write_torch(program, metadata, temporary)
        else:
            assert model is not None
            write_onnx(model, path) if name == "onnx" else write_openvino(model, metadata, path)
        beside = (path.with_suffix(".bin"), path.with_name(f"{path.name}.data"))
        mine = {"openvino": beside[:1], "onnx": beside[1:]}.get(name, ())
        written[name] = [path, *(file for file in mine if file.is_file())]
    return written


def write_openvino(model: Any, metadata: dict[str, str], path: Path) -> None:
    """Writes an ONNX model as OpenVINO's XML with its weights beside it, in float32.

    OpenVINO would halve the weights' precision by itself.
    """
    import openvino

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        source = Path(folder, "source.onnx")
        write_onnx(model, source)
        converted = openvino.Core().read_model(str(source))
        for key, value in metadata.items():
            converted.set_rt_info(value, ["trilift", key])
        whole = Path(folder, path.name)
        openvino.save_model(converted, str(whole), compress_to_fp16=False)
        seal_openvino(whole)
        for file in (whole.with_suffix(".bin"), whole):
            file.replace(path.with_name(file.name))


def _write_torch(
    program: torch.export.ExportedProgram, metadata: dict[str, str], path: Path
) -> None:
    program.example_inputs = None  # they would be stored
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata)})


class TorchProgram:
    """torch's own format, read by torch without trilift (see `Session`)."""

    def __init__(self) -> None:
        self.name = f"torch {version('torch')}, float32"
        self.precision = "float32: the types of the file"
        self._module: Any = None

    def require_readable(self, path: Path) -> None:
        """See `Session.require_readable`."""
        if path.suffix != TORCH_EXPORT:
            raise ValueError(f"torch.export.load reads {TORCH_EXPORT}, and {path} is none")

    def open(self, path: Path, batch: int | None = None) -> None:
        """See `Session.open`; a fixed batch gains nothing."""
        with path.open("rb") as file:
            self._module = torch.export.load(file).module()

    @torch.no_grad()
    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See `Session.__call__`."""
        found = self._module(*inputs)
        return found if isinstance(found, tuple) else (found,)


def readers(name: str) -> list[Session]:
    """The programs here that read a format: of ONNX's files OpenVINO, too, if it is installed."""
    if name == "torch":
        return [TorchProgram()]
    found: list[Session] = [OnnxRuntime()] if name == "onnx" else []
    if name == "openvino" or importlib.util.find_spec("openvino") is not None:
        found.append(OpenVino())
    return found
