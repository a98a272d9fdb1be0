"""Shift-tolerant LPIPS (Ghildyal and Liu 2022): LPIPS on an AlexNet that blurs wherever it strides,
trained from scratch on human judgements; the only perceptual network here whose terms are stated
(BSD-2-Clause).
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .frozen import Frozen, NetworkDistance
from .perceptual import LPIPS
from .trunks import Trunk
from .weight_files import WeightFile, fitting_weights, require_weights

FILE = WeightFile(
    "shift_tolerant_lpips.safetensors",
    "shift-tolerant LPIPS as `trilift weights shift_tolerant_lpips` converts it",
    "`trilift weights shift_tolerant_lpips` (PyPI stlpips-pytorch 0.0.2; BSD-2-Clause)",
    "f043c077e3f849935c2e66a900065bb9461f954726469f945d3d9b7678a76ad6",
)

SMALLEST = 32
"""Side of the smallest image whose reflected edges are inside of it, in every layer."""


class BlurPool(nn.Module):
    """A 3x3 binomial filter before the stride of 2 (Zhang 2019), behind edges reflected by 2."""

    window: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        side = torch.tensor([0.25, 0.5, 0.25])
        window = torch.outer(side, side).expand(channels, 1, 3, 3).clone()
        self.register_buffer("window", window, persistent=False)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel half_height half_width"]:
        """Half the resolution, and one more."""
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, self.window, stride=2, groups=x.shape[1])


def shift_tolerant_alexnet() -> Trunk:
    """AlexNet with blurred strides, one activation after each convolution; weights are not set."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, padding=2), BlurPool(64), nn.ReLU()]
    layers += [nn.MaxPool2d(3, 1), BlurPool(64), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()]
    layers += [nn.MaxPool2d(3, 1), BlurPool(192)]
    for before, after in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
    taps, channels = (2, 6, 10, 12, 14), (64, 192, 384, 256, 256)
    return Trunk(layers, taps=taps, channels=channels, smallest=SMALLEST)


def load_shift_tolerant_lpips(path: Path) -> LPIPS:
    """The network of a converted file; ValueError if it holds another one."""
    trunk = shift_tolerant_alexnet()
    network = LPIPS(trunk, [torch.zeros(channels) for channels in trunk.channels])
    state = network.state_dict() | fitting_weights(path, _Fitted(network), FILE.contents)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


class _Fitted(nn.Module):
    """The part of LPIPS that a file holds: not the constants of its input."""

    def __init__(self, network: LPIPS) -> None:
        super().__init__()
        self.trunk, self.heads = network.trunk, network.heads


class ShiftTolerantLoss(NetworkDistance):
    """Shift-tolerant LPIPS of the final images plus that of the raw ones.

    Args:
        weight: factor in the sum.
        raw_weight: factor of the raw images within the loss.
        weights_folder: has the file that `trilift weights shift_tolerant_lpips` writes.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is another one.
    """

    def __init__(
        self,
        *,
        weights_folder: Path | str,
        weight: float | int = 1.0,
        raw_weight: float | int = 1.0,
    ) -> None:
        super().__init__(weight=weight, raw_weight=raw_weight)
        (path,) = require_weights([FILE], Path(weights_folder))
        self.network = Frozen(load_shift_tolerant_lpips(path))
