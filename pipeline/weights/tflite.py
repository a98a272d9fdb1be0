"""TensorFlow Lite's convolutional networks as a list of torch operations and their tensors.

The schema is TensorFlow's `schema.fbs` (Apache-2.0): the numbers of fields and of operators below
are its facts. Read are networks in single or half precision with fixed sizes; other operators,
quantised or sparse tensors are refused by name. Layouts become torch's: channels before height and
width.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .flatbuffer import Table, UnreadableFlatbuffer

Node = dict[str, Any]
"""One operation; `pipeline.portraits.facemesh.graph_network` says which keys each has."""

IDENTIFIER = b"TFL3"

OPERATORS = {
    0: "add",
    1: "average_pool",
    2: "concatenate",
    3: "convolution",
    4: "depthwise_convolution",
    6: "dequantise",
    14: "sigmoid",
    17: "max_pool",
    18: "multiply",
    19: "relu",
    22: "cells",
    23: "resize",
    34: "pad",
    54: "prelu",
    117: "hard_swish",
}
"""`BuiltinOperator` → our name."""

TRANSPOSED = b"Convolution2DTransposeBias"
"""MediaPipe's own operator: kernel and stride 2, with a bias."""

TYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
"""`TensorType` → numpy's."""

ACTIVATIONS = {0: None, 1: "relu", 3: "relu6"}

SAME = 0
"""`Padding`: the output has ⌈size / stride⌉ pixels; 1 is none."""


@dataclass(frozen=True)
class Network:
    """A network.

    Attributes:
        side: of the square input, pixels.
        outputs: names of the values it returns.
        nodes: operations in order.
        tensors: weights by name, torch's layout, in the file's precision.
    """

    side: int
    outputs: list[str]
    nodes: list[Node]
    tensors: dict[str, np.ndarray]


def read_tflite(data: bytes) -> Network:
    """The network in a .tflite file.

    Raises:
        ValueError: no such file, damaged, or a kind of network that isn't supported.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError(f"no TensorFlow Lite file: it has {data[4:8]!r}, expected {IDENTIFIER!r}")
    try:
        return _Reader(Table(data)).read()
    except (UnreadableFlatbuffer, IndexError) as error:
        raise ValueError(f"a damaged TensorFlow Lite file: {error}") from error


class _Reader:
    """One pass over the operators, collecting nodes and the tensors that they use."""

    def __init__(self, model: Table) -> None:
        self.codes = [
            (max(code.number(0, "<b"), code.number(3)), code.bytes(1)) for code in model.tables(1)
        ]
        graphs = model.tables(2)
        if len(graphs) != 1:
            raise ValueError(f"{len(graphs)} graphs came, expected 1")
        self.graph = graphs[0]
        self.rows = self.graph.tables(0)
        self.buffers = model.tables(4)
        self.aliases: dict[int, int] = {}
        self.tensors: dict[str, np.ndarray] = {}

    def read(self) -> Network:
        inputs, outputs = self.graph.integers(1), self.graph.integers(2)
        if len(inputs) != 1:
            raise ValueError(f"{len(inputs)} inputs came, expected 1 picture")
        _, height, width, channels = self._shape(inputs[0])
        if height != width or channels != 3:
            raise ValueError(
                f"an input of {height}x{width}x{channels} came, expected a square of 3"
            )
        nodes = [node for row in self.graph.tables(3) if (node := self._node(row)) is not None]
        return Network(height, [self._name(row) for row in outputs], nodes, self.tensors)

    def _node(self, row: Table) -> Node | None:
        code, custom = self.codes[row.number(0, "<I")]
        ins, (out,) = row.integers(1), row.integers(2)
        if custom == TRANSPOSED:
            return {"op": "transposed", "in": [self._name(ins[0])], "out": self._name(out)} | {
                "weight": self._kept(ins[1], (0, 3, 1, 2), swapped=True),
                "bias": self._kept(ins[2]),
            }
        if code not in OPERATORS:
            raise ValueError(f"operator {code} {custom.decode()!r} isn't supported")
        name = OPERATORS[code]
        if name == "dequantise":  # half precision: the tensor itself, converted when it is used
            self.aliases[out] = ins[0]
            return None
        node: Node = {"op": name, "in": [self._name(ins[0])], "out": self._name(out)}
        return node | getattr(self, f"_{name}")(ins, out, row.table(4))

    def _convolution(self, ins: list[int], out: int, options: Table) -> Node:
        return self._convolved(ins, options, (0, 3, 1, 2), first=3)

    def _depthwise_convolution(self, ins: list[int], out: int, options: Table) -> Node:
        return self._convolved(ins, options, (3, 0, 1, 2), first=4)

    def _convolved(self, ins: list[int], options: Table, order: tuple, first: int) -> Node:
        """`first`: field of the activation; the dilations follow."""
        if max(options.number(first + 1, default=1), options.number(first + 2, default=1)) > 1:
            raise ValueError("dilated convolutions aren't supported")
        stride = self._stride(options)
        kernel = self._shape(ins[1])[1:3]
        activation = ACTIVATIONS.get(options.number(first, "<b"), "?")
        if activation == "?":
            raise ValueError(f"activation {options.number(first, '<b')} isn't supported")
        return {
            "weight": self._kept(ins[1], order),
            "bias": self._kept(ins[2]),
            "stride": stride,
            "padding": self._padding(ins[0], kernel, stride, options),
            "activation": activation,
        }

    def _max_pool(self, ins: list[int], out: int, options: Table) -> Node:
        kernel, stride = [options.number(4), options.number(3)], self._stride(options)
        return {
            "kernel": kernel,
            "stride": stride,
            "padding": self._padding(ins[0], kernel, stride, options),
        }

    def _average_pool(self, ins: list[int], out: int, options: Table) -> Node:
        kernel = [options.number(4), options.number(3)]
        if kernel != self._shape(ins[0])[1:3]:
            raise ValueError(f"an average over {kernel} isn't supported: only over all pixels")
        return {}

    def _pad(self, ins: list[int], out: int, options: Table | None) -> Node:
        rows = self._array(ins[1]).tolist()
        return {"amounts": [rows[axis] for axis in (2, 1, 3)]}

    def _resize(self, ins: list[int], out: int, options: Table) -> Node:
        if options.number(2, "<b") or not options.number(3, "<b"):
            raise ValueError("resizing by other positions than half pixels isn't supported")
        return {"size": self._shape(out)[1:3]}

    def _prelu(self, ins: list[int], out: int, options: Table | None) -> Node:
        slopes = self._name(ins[1])
        self.tensors[slopes] = self._array(ins[1]).reshape(-1)
        return {"weight": slopes}

    def _cells(self, ins: list[int], out: int, options: Table | None) -> Node:
        """[1, height, width, k] → [1, cells, numbers]."""
        shape = self._shape(out)
        if len(shape) != 3 or len(self._shape(ins[0])) != 4:
            raise ValueError(f"reshaping to {shape} isn't supported: only to cells and numbers")
        return {"numbers": shape[2]}

    def _concatenate(self, ins: list[int], out: int, options: Table) -> Node:
        if options.number(0) != 1 or len(self._shape(out)) != 3:
            raise ValueError("joining along other axes than the cells' isn't supported")
        return {"in": [self._name(row) for row in ins]}

    def _add(self, ins: list[int], out: int, options: Table | None) -> Node:
        activation = ACTIVATIONS.get(options.number(0, "<b") if options else 0, "?")
        if activation == "?":
            raise ValueError("an activation after a sum isn't supported")
        return {"in": [self._name(row) for row in ins], "activation": activation}

    def _multiply(self, ins: list[int], out: int, options: Table | None) -> Node:
        return {"in": [self._name(row) for row in ins]}

    def _relu(self, ins: list[int], out: int, options: Table | None) -> Node:
        return {}

    _sigmoid = _hard_swish = _relu

    def _stride(self, options: Table) -> list[int]:
        """Down, across."""
        return [options.number(2), options.number(1)]

    def _padding(
        self, row: int, kernel: list[int], stride: list[int], options: Table
    ) -> list[list[int]]:
        """Before and after, for the columns and then the rows: TensorFlow's "same" puts the odd
        pixel behind.
        """
        if options.number(0, "<b") != SAME:
            return [[0, 0], [0, 0]]
        amounts = []
        for size, width, step in zip(self._shape(row)[1:3], kernel, stride, strict=True):
            total = max(0, (-(-size // step) - 1) * step + width - size)
            amounts.append([total // 2, total - total // 2])
        return amounts[::-1]

    def _kept(
        self, row: int, order: tuple[int, ...] | None = None, *, swapped: bool = False
    ) -> str:
        """The name under which a tensor is kept, its axes in torch's order."""
        array, name = self._array(row), self._name(row)
        if order is not None:
            array = array.transpose(order)
        self.tensors[name] = np.ascontiguousarray(array.swapaxes(0, 1) if swapped else array)
        return name

    def _array(self, row: int) -> np.ndarray:
        row = self.aliases.get(row, row)
        tensor = self.rows[row]
        kind = tensor.number(1, "<b")
        if kind not in TYPES or tensor.table(6) is not None:
            raise ValueError(
                f"tensor {row} is quantised or sparse: only float32 and float16 are read"
            )
        content = self.buffers[tensor.number(2, "<I")].bytes(0)
        shape = self._shape(row)
        if len(content) != np.dtype(TYPES[kind]).itemsize * int(np.prod(shape)):
            raise ValueError(f"tensor {row} of shape {shape} has {len(content)} bytes")
        return np.frombuffer(content, TYPES[kind]).reshape(shape)

    def _shape(self, row: int) -> list[int]:
        return self.rows[row].integers(0)

    def _name(self, row: int) -> str:
        return str(self.aliases.get(row, row))
