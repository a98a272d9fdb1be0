"""dlib's face recognition network (Davis King, 2017; "released into the public domain"): a ResNet
of 29 convolutions whose embeddings are compared by Euclidean distance; below 0.6 it is one
identity.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .weight_files import fitting_weights

SIDE = 150
"""Side of the face, pixels."""

FACE_BOX = (0.135, 0.146, 0.865, 0.876)
"""dlib's crop of a frontal face (its `get_face_chip_details`, padding 0.25) within EG3D's crop:
left, top, right, bottom. The eyes are in the same place, and the nose's base within 2 %.
"""

SAME_IDENTITY = 0.6

STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, blocks, and whether the first block halves the resolution."""

MEAN = (122.782, 117.001, 104.298)
"""Of the training images, 0 to 255."""

CONTENTS = "dlib's face recognition network as `trilift weights identity` converts it"


class DlibResNet(nn.Module):
    """Face crop → embedding of 128 numbers."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(3, 32, 7, stride=2)]
        before = 32
        self.halving: list[bool] = []
        for channels, blocks, is_halved in STAGES:
            for block in range(blocks):
                halving = is_halved and block == 0
                self.halving.append(halving)
                stride, padding = (2, 0) if halving else (1, 1)
                convolutions.append(nn.Conv2d(before, channels, 3, stride, padding))
                convolutions.append(nn.Conv2d(channels, channels, 3, padding=1))
                before = channels
        self.convolutions = nn.ModuleList(convolutions)
        widths = [convolution.out_channels for convolution in convolutions]
        self.scales = nn.ParameterList([torch.ones(width) for width in widths])
        self.shifts = nn.ParameterList([torch.zeros(width) for width in widths])
        self.linear = nn.Linear(before, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)

    @classmethod
    def load(cls, path: Path) -> "DlibResNet":
        """The network of a converted file; ValueError if it holds another one."""
        network = cls()
        network.load_state_dict(fitting_weights(path, network, CONTENTS))
        return network

    def forward(self, face: Float[Tensor, "batch 3 150 150"]) -> Float[Tensor, "batch 128"]:
        """Of RGB crops in [-1, 1]."""
        x = ((face + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self._layer(0, x)), 3, 2)
        for block, halving in enumerate(self.halving):
            inner = F.relu(self._layer(2 * block + 1, x))
            inner = self._layer(2 * block + 2, inner)
            x = F.relu(_sum(inner, F.avg_pool2d(x, 2) if halving else x))
        return self.linear(x.mean((2, 3)))

    def _layer(self, number: int, x: Tensor) -> Tensor:
        """A convolution, then a factor and a summand for each channel."""
        convolved: Tensor = self.convolutions[number](x)
        return convolved * self.scales[number][:, None, None] + self.shifts[number][:, None, None]


def _sum(one: Tensor, other: Tensor) -> Tensor:
    """Of tensors of different sizes, the smaller continued by zeros (dlib's `add_prev`)."""
    sizes = [max(pair) for pair in zip(one.shape[1:], other.shape[1:], strict=True)]
    padded = [
        F.pad(x, [0, sizes[2] - x.shape[3], 0, sizes[1] - x.shape[2], 0, sizes[0] - x.shape[1]])
        for x in (one, other)
    ]
    return padded[0] + padded[1]
