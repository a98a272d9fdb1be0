"""A network as an ONNX model, by torch's exporter."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from teachers.kernels import use_kernels

if TYPE_CHECKING:
    import onnx

OPSET = 20
"""Layer norm, GELU and both kinds of GridSample are operators of it. Opset 23 would add attention,
which neither ONNX Runtime nor OpenVINO computes faster, and ask for younger programs.
"""


@dataclass(frozen=True)
class Graph:
    """What is exported.

    Attributes:
        module: computes outputs from inputs.
        inputs: an example of each argument of its `forward`, by name.
        outputs: their names.
        free: axes of inputs that may have any length, with the name of that length; their examples
            have at least 2.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    free: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """The graph as torch's own program.

    Raises:
        ValueError: the module can't be traced.
    """
    sizes = {
        name: torch.export.Dim(name)
        for name in {size for axes in graph.free.values() for size in axes.values()}
    }
    shapes = {
        name: {axis: sizes[size] for axis, size in graph.free.get(name, {}).items()}
        for name in graph.inputs
    }
    try:
        with quiet(), torch.no_grad(), use_kernels("readable"):
            program = torch.export.export(
                graph.module, (*graph.inputs.values(),), dynamic_shapes=shapes, strict=False
            )
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
        raise ValueError(_refusal(graph, error)) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names files of this machine
    return program


def onnx_model(graph: Graph, program: torch.export.ExportedProgram) -> "onnx.ModelProto":
    """The graph in ONNX, without the exporter's remarks, which name files of this machine.

    Raises:
        ValueError: an operator has no translation.
    """
    try:
        with quiet(), torch.no_grad():
            found = torch.onnx.export(
                program,
                (*graph.inputs.values(),),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ValueError(_refusal(graph, error)) from error
    assert found is not None
    model: "onnx.ModelProto" = found.model_proto
    _forget(model)
    _forget(model.graph)
    return model


def _forget(message: Any) -> None:
    """Removes remarks from a model or graph and from all that it consists of."""
    del message.metadata_props[:]
    for parts in ("node", "input", "output", "value_info", "initializer"):
        for part in getattr(message, parts, ()):
            del part.metadata_props[:]
            for attribute in getattr(part, "attribute", ()):
                if attribute.HasField("g"):
                    _forget(attribute.g)


def _refusal(graph: Graph, error: Exception) -> str:
    cause = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
    return f"this {type(graph.module).__name__} can't be exported ({cause[0]}): use runtime=torch"


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporters' remarks on their steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
