"""The reader of TensorFlow Lite's files on a file made here by hand, and on damaged ones.

That the shipped networks equal LiteRT's is stated in
`tests/pipeline/portraits/facemesh/test_networks.py`.
"""

import struct

import numpy as np
import pytest
import torch

from pipeline.portraits.facemesh.graph_network import GraphNetwork
from pipeline.weights.flatbuffer import Table, UnreadableFlatbuffer
from pipeline.weights.tflite import read_tflite


class Made:
    """Writes a buffer from front to back: children first are placed behind, offsets are patched."""

    def __init__(self) -> None:
        self.data = bytearray(8)

    def table(self, fields: dict[int, bytes | tuple[int, ...]]) -> int:
        """Fields are bytes in place, or (position,) of something that is referred to later."""
        count = max(fields, default=-1) + 1
        vtable = len(self.data)
        self.data += struct.pack("<HH", 4 + 2 * count, 0) + bytes(2 * count)
        position = len(self.data)
        self.data += struct.pack("<i", position - vtable)
        for field, value in fields.items():
            here = len(self.data)
            struct.pack_into("<H", self.data, vtable + 4 + 2 * field, here - position)
            if isinstance(value, bytes):
                self.data += value
            else:  # an offset that must point forwards: filled in by `point`
                self.data += struct.pack("<I", 0)
        return position

    def at(self, table: int, field: int) -> int:
        vtable = table - struct.unpack_from("<i", self.data, table)[0]
        return table + struct.unpack_from("<H", self.data, vtable + 4 + 2 * field)[0]

    def point(self, slot: int) -> None:
        struct.pack_into("<I", self.data, slot, len(self.data) - slot)

    def vector(self, content: bytes, count: int) -> None:
        self.data += struct.pack("<I", count) + content

    def integers(self, slot: int, numbers: list[int]) -> None:
        self.point(slot)
        self.vector(struct.pack(f"<{len(numbers)}i", *numbers), len(numbers))

    def tables(self, slot: int, rows: list[dict]) -> list[int]:
        self.point(slot)
        start = len(self.data) + 4
        self.vector(bytes(4 * len(rows)), len(rows))
        positions = []
        for number, row in enumerate(rows):
            at = start + 4 * number
            positions.append(self.table(row))
            struct.pack_into("<I", self.data, at, positions[-1] - at)
        return positions


def one_convolution(weight: np.ndarray, bias: np.ndarray, *, operator: int = 3) -> bytes:
    """A network of one convolution of stride 2 with "same" padding: [1 4 4 3] → [1 2 2 k]."""
    made = Made()
    model = made.table({1: (0,), 2: (0,), 4: (0,)})
    struct.pack_into("<I", made.data, 0, model)
    made.data[4:8] = b"TFL3"
    made.tables(made.at(model, 1), [{0: struct.pack("<b", operator)}])
    (graph,) = made.tables(made.at(model, 2), [{0: (0,), 1: (0,), 2: (0,), 3: (0,)}])
    shapes = [[1, 4, 4, 3], list(weight.shape), [len(bias)], [1, 2, 2, len(bias)]]
    tensors = made.tables(
        made.at(graph, 0),
        [{0: (0,), 1: b"\0", 2: struct.pack("<I", number)} for number in (0, 1, 2, 0)],
    )
    for tensor, shape in zip(tensors, shapes, strict=True):
        made.integers(made.at(tensor, 0), shape)
    made.integers(made.at(graph, 1), [0])
    made.integers(made.at(graph, 2), [3])
    (node,) = made.tables(made.at(graph, 3), [{0: struct.pack("<I", 0), 1: (0,), 2: (0,), 4: (0,)}])
    made.integers(made.at(node, 1), [0, 1, 2])
    made.integers(made.at(node, 2), [3])
    made.point(slot := made.at(node, 4))
    options = made.table({1: struct.pack("<i", 2), 2: struct.pack("<i", 2)})
    struct.pack_into("<I", made.data, slot, options - slot)
    buffers = made.tables(made.at(model, 4), [{}, {0: (0,)}, {0: (0,)}])
    for buffer, array in zip(buffers[1:], (weight, bias), strict=True):
        made.point(made.at(buffer, 0))
        made.vector(array.astype("<f4").tobytes(), 4 * array.size)
    return bytes(made.data)


WEIGHT = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
BIAS = np.arange(5, dtype=np.float32)


def test_a_convolution_s_same_padding_puts_the_odd_pixel_behind():
    network = read_tflite(one_convolution(WEIGHT, BIAS))
    tensors = {name: torch.from_numpy(array.copy()) for name, array in network.tensors.items()}
    image = torch.randn(1, 3, 4, 4)
    (output,) = GraphNetwork(network.side, network.outputs, network.nodes, tensors)(image)
    padded = torch.nn.functional.pad(image, (0, 1, 0, 1))
    weight = torch.from_numpy(WEIGHT.transpose(0, 3, 1, 2).copy())
    expected = torch.nn.functional.conv2d(padded, weight, torch.from_numpy(BIAS), stride=2)
    torch.testing.assert_close(output, expected)


def test_other_files_and_operators_are_refused_by_name():
    with pytest.raises(ValueError, match="no TensorFlow Lite file"):
        read_tflite(b"PK\3\4" + bytes(100))
    with pytest.raises(ValueError, match="operator 7 '' isn't supported"):
        read_tflite(one_convolution(WEIGHT, BIAS, operator=7))


def test_a_damaged_file_is_a_value_error_wherever_it_is_damaged():
    whole = one_convolution(WEIGHT, BIAS)
    generator = np.random.default_rng(0)
    for cut in range(8, len(whole), 7):
        with pytest.raises(ValueError):
            read_tflite(whole[:cut])
    for _ in range(300):
        changed = bytearray(whole)
        changed[generator.integers(8, 500)] = generator.integers(256)
        try:
            read_tflite(bytes(changed))
        except ValueError:
            continue


def test_an_offset_outside_the_file_is_refused():
    with pytest.raises(UnreadableFlatbuffer, match="byte 1000"):
        Table(struct.pack("<I", 1000))
