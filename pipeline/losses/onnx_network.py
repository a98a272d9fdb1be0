"""ONNX graphs as torch networks: gradients reach their input, which ONNX Runtime doesn't offer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Attributes = Mapping[str, Any]


class OnnxNetwork(nn.Module):
    """A feed-forward graph of one input and one output, in evaluation mode.

    `OPERATORS` are those of convolutional face networks, with the semantics since opset 7.

    Args:
        path: the .onnx file with its weights inside.

    Raises:
        ValueError: the file is damaged, the graph has other inputs and outputs or unsupported
            operators, or the package onnx isn't installed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = _read_graph(path)
        from onnx import numpy_helper
        from onnx.helper import get_attribute_value

        self._weights: dict[str, str] = {}
        for value in graph.initializer:
            self._add_weight(value.name, torch.from_numpy(numpy_helper.to_array(value).copy()))
        self._steps: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        for node in graph.node:
            attributes = {
                attribute.name: get_attribute_value(attribute) for attribute in node.attribute
            }
            if node.op_type == "Constant":
                self._add_weight(node.output[0], _constant(path, attributes))
            else:
                self._steps.append((node.op_type, list(node.input), list(node.output), attributes))
        inputs = [value.name for value in graph.input if value.name not in self._weights]
        unknown = sorted({kind for kind, *_ in self._steps} - OPERATORS.keys())
        if unknown or len(inputs) != 1 or len(graph.output) != 1:
            raise ValueError(
                f"{path} can't be differentiated here: it has {len(inputs)} inputs and"
                f" {len(graph.output)} outputs (expected one each)"
                + (f", and operators that aren't known: {', '.join(unknown)}" if unknown else "")
            )
        self._input, self._output = inputs[0], graph.output[0].name

    def _add_weight(self, name: str, value: Tensor) -> None:
        self._weights[name] = f"weight{len(self._weights)}"
        self.register_buffer(
            self._weights[name], value.float() if value.dtype == torch.float16 else value
        )

    def forward(self, x: Tensor) -> Tensor:
        """The graph's output for its input."""
        values: dict[str, Tensor | None] = {
            name: getattr(self, buffer) for name, buffer in self._weights.items()
        }
        # an empty name stands for an optional input that isn't given
        values |= {self._input: x, "": None}
        for kind, inputs, outputs, attributes in self._steps:
            values[outputs[0]] = OPERATORS[kind](attributes, *(values[name] for name in inputs))
        output = values[self._output]
        assert output is not None
        return output


def _read_graph(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ValueError(
            f"{path} can't be read without the package onnx: pip install 'trilift[onnx]'"
        ) from error
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # the parser and the checker have their own exceptions
        raise ValueError(f"{path} can't be read as an ONNX model: {error}") from error
    outside = [
        value.name
        for value in model.graph.initializer
        if value.data_location == onnx.TensorProto.EXTERNAL
    ]
    if outside:
        raise ValueError(
            f"{path} keeps weights in other files ({', '.join(outside[:3])}): save it as one file"
        )
    return model.graph


def _constant(path: Path, attributes: Attributes) -> Tensor:
    """The value of a Constant, a tensor or numbers."""
    from onnx import numpy_helper

    (kind, value), *_ = attributes.items()
    if kind == "value":
        return torch.from_numpy(numpy_helper.to_array(value).copy())
    if kind in ("value_float", "value_floats", "value_int", "value_ints"):
        return torch.tensor(value)
    raise ValueError(f"{path} has a constant of kind {kind!r}: expected numbers")


def _padded(attributes: Attributes, x: Tensor) -> Tensor:
    """ONNX lists all axes' beginnings, then all ends; torch lists pairs from the last axis on."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError(
            f"ONNX padding {attributes['auto_pad']!r} isn't known: export with explicit pads"
        )
    pads = attributes.get("pads")
    if not pads:
        return x
    half = len(pads) // 2
    return F.pad(
        x, [pad for axis in reversed(range(half)) for pad in (pads[axis], pads[axis + half])]
    )


def _convolution(
    attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    options = {
        "stride": attributes.get("strides", 1),
        "dilation": attributes.get("dilations", 1),
        "groups": attributes.get("group", 1),
    }
    return F.conv2d(_padded(attributes, x), weight, bias, **options)


def _normalization(
    attributes: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, eps=attributes.get("epsilon", 1e-5))


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.mT if attributes.get("transA", 0) else a
    b = b.mT if attributes.get("transB", 0) else b
    product = attributes.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + attributes.get("beta", 1.0) * c


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    """A size of 0 keeps the axis. Exporters write down a batch of one; any batch is accepted."""
    sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())]
    return x.reshape(
        [len(x) if axis == 0 and size == 1 else size for axis, size in enumerate(sizes)]
    )


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    if attributes.get("axis", 1) != 1:
        raise ValueError(f"ONNX Flatten at axis {attributes['axis']} isn't known: expected 1")
    return x.flatten(1)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, a, b: a + b,
    "BatchNormalization": _normalization,
    "Conv": _convolution,
    "Div": lambda _, a, b: a / b,
    "Dropout": lambda _, x, *rest: x,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "Identity": lambda _, x: x,
    "MatMul": lambda _, a, b: a @ b,
    "Mul": lambda _, a, b: a * b,
    "PRelu": lambda _, x, slope: torch.where(x < 0, x * slope, x),
    "Relu": lambda _, x: F.relu(x),
    "Reshape": _reshape,
    "Sigmoid": lambda _, x: x.sigmoid(),
    "Sub": lambda _, a, b: a - b,
}
"""By type of node: attributes, inputs → output."""
