"""A small convolutional network whose operations are listed in its file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {
    None: lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
}


class GraphNetwork(nn.Module):
    """Runs a list of operations on a square picture; weights are constants (no gradient).

    Each operation names its inputs `in`, its output `out` and its kind `op`, one of
    `OPERATIONS`; what else it needs is named there.

    Args:
        side: of the input, pixels.
        outputs: names of the values that are returned.
        nodes: the operations, in order.
        tensors: weights, by name.
    """

    def __init__(
        self, side: int, outputs: list[str], nodes: list[dict[str, Any]], tensors: dict[str, Tensor]
    ) -> None:
        super().__init__()
        self.side, self.outputs, self.nodes = side, outputs, nodes
        for name, tensor in tensors.items():
            self.register_buffer(f"tensor_{name}", tensor.float())

    @classmethod
    def load(cls, path: Path) -> "GraphNetwork":
        """From a .safetensors file with `graph` in its metadata (`trilift weights` writes it)."""
        with safe_open(path, framework="pt") as file:
            graph = json.loads(file.metadata()["graph"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls(graph["side"], graph["outputs"], graph["nodes"], tensors)

    def forward(self, image: Float[Tensor, "batch 3 side side"]) -> list[Tensor]:
        """The values of the outputs, in order."""
        values = {"0": image}
        for node in self.nodes:
            inputs = [values[name] for name in node["in"]]
            values[node["out"]] = OPERATIONS[node["op"]](self, node, inputs)
        return [values[name] for name in self.outputs]

    def tensor(self, name: str) -> Tensor:
        """A weight."""
        return self.get_buffer(f"tensor_{name}")


def _padded(image: Tensor, amounts: list[list[int]], value: float = 0.0) -> Tensor:
    flat = [amount for pair in amounts for amount in pair]
    return F.pad(image, flat, value=value) if any(flat) else image


def _convolution(network: GraphNetwork, node: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    weight = network.tensor(node["weight"])
    result = F.conv2d(
        _padded(inputs[0], node["padding"]),
        weight,
        network.tensor(node["bias"]),
        stride=tuple(node["stride"]),
        groups=inputs[0].shape[1] // weight.shape[1],
    )
    return ACTIVATIONS[node["activation"]](result)


def _transposed(network: GraphNetwork, node: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    weight, bias = network.tensor(node["weight"]), network.tensor(node["bias"])
    return F.conv_transpose2d(inputs[0], weight, bias, stride=2)


def _max_pool(network: GraphNetwork, node: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    padded = _padded(inputs[0], node["padding"], -torch.inf)
    return F.max_pool2d(padded, tuple(node["kernel"]), tuple(node["stride"]))


def _cells(network: GraphNetwork, node: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    """[batch k height width] → [batch cell number], k of a pixel's numbers side by side."""
    return inputs[0].permute(0, 2, 3, 1).reshape(len(inputs[0]), -1, node["numbers"])


def _add(network: GraphNetwork, node: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    return ACTIVATIONS[node["activation"]](inputs[0] + inputs[1])


OPERATIONS: dict[str, Callable[[GraphNetwork, dict[str, Any], list[Tensor]], Tensor]] = {
    # weight, bias (names), stride [down, across], padding [columns, rows], activation
    "convolution": _convolution,
    "depthwise_convolution": _convolution,
    "transposed": _transposed,  # weight, bias
    "max_pool": _max_pool,  # kernel, stride, padding
    "average_pool": lambda network, node, inputs: inputs[0].mean((2, 3), keepdim=True),
    "pad": lambda network, node, inputs: _padded(inputs[0], node["amounts"]),
    "prelu": lambda network, node, inputs: F.prelu(inputs[0], network.tensor(node["weight"])),
    "cells": _cells,  # numbers
    "concatenate": lambda network, node, inputs: torch.cat(inputs, 1),
    "resize": lambda network, node, inputs: F.interpolate(
        inputs[0], tuple(node["size"]), mode="bilinear", align_corners=False
    ),
    "add": _add,  # activation
    "multiply": lambda network, node, inputs: inputs[0] * inputs[1],
    "relu": lambda network, node, inputs: F.relu(inputs[0]),
    "sigmoid": lambda network, node, inputs: torch.sigmoid(inputs[0]),
    "hard_swish": lambda network, node, inputs: F.hardswish(inputs[0]),
}
