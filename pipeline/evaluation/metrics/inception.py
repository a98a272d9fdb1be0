"""The Inception-v3 of 2015 that defines FID and KID (Szegedy et al. 2016; Heusel et al. 2017), with
the user's local weights.

The layers and their names are those of the TensorFlow graph of 2015-12-05 as pytorch-fid's file has
it; it differs from torchvision's network in its average pooling, which doesn't count the padding,
and in the maximum pooling of the last block.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.losses.weight_files import WeightFile, fitting_weights, require_weights

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
SOURCE = "https://github.com/mseitz/pytorch-fid/releases (fid_weights)"
FEATURES = 2048
SIDE = 299


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU; keeps the size unless it strides or
    isn't padded.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        padded: bool = True,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(before, after, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch other new_height new_width"]:
        """The activations."""
        return F.relu(self.bn(self.conv(x)))


Chain = Sequence[Unit | tuple[Unit, Unit]]
"""Units in sequence; a pair of them forks."""


class Block(nn.Module):
    """Parallel branches; their outputs are concatenated.

    Args:
        branches: name → units in sequence, named `name_1`, `name_2`, … if there are several; a
            pair as the last unit forks.
        pool: "mean" or "max" (of the same size) before the unit branch_pool, or "down", a halving
            maximum without a unit.
        before: input channels.
        pooled: output channels of branch_pool.
    """

    def __init__(self, before: int, branches: dict[str, Chain], pool: str, pooled: int = 0) -> None:
        super().__init__()
        self.chains: list[list[tuple[str, ...]]] = []
        for name, units in branches.items():
            chain = []
            for number, unit in enumerate(units, 1):
                forks = unit if isinstance(unit, tuple) else (unit,)
                stem = name if len(units) == 1 else f"{name}_{number}"
                names = tuple(f"{stem}{letter}" for letter in "ab") if len(forks) > 1 else (stem,)
                for own, fork in zip(names, forks, strict=True):
                    self.add_module(own, fork)
                chain.append(names)
            self.chains.append(chain)
        self.pool = pool
        if pooled:
            self.branch_pool = Unit(before, pooled, 1)

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch other new_height new_width"]:
        """The concatenated outputs."""
        return torch.cat([*(self._through(chain, x) for chain in self.chains), self._pooled(x)], 1)

    def _through(self, chain: list[tuple[str, ...]], x: Tensor) -> Tensor:
        for names in chain:
            x = torch.cat([self.get_submodule(name)(x) for name in names], 1)
        return x

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "down":
            return F.max_pool2d(x, 3, stride=2)
        same = (
            F.max_pool2d(x, 3, 1, 1)
            if self.pool == "max"
            else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        return self.branch_pool(same)


def _a(before: int, pooled: int) -> Block:
    five = [Unit(before, 48, 1), Unit(48, 64, 5)]
    three = [Unit(before, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3)]
    return Block(
        before,
        {"branch1x1": [Unit(before, 64, 1)], "branch5x5": five, "branch3x3dbl": three},
        "mean",
        pooled,
    )


def _b(before: int) -> Block:
    three = [Unit(before, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3, 2, padded=False)]
    return Block(
        before,
        {"branch3x3": [Unit(before, 384, 3, 2, padded=False)], "branch3x3dbl": three},
        "down",
    )


def _c(before: int, inner: int) -> Block:
    seven = [Unit(before, inner, 1), Unit(inner, inner, (1, 7)), Unit(inner, 192, (7, 1))]
    tall, wide = Unit(inner, inner, (7, 1)), Unit(inner, inner, (1, 7))
    double = [
        Unit(before, inner, 1),
        tall,
        wide,
        Unit(inner, inner, (7, 1)),
        Unit(inner, 192, (1, 7)),
    ]
    return Block(
        before,
        {"branch1x1": [Unit(before, 192, 1)], "branch7x7": seven, "branch7x7dbl": double},
        "mean",
        192,
    )


def _d(before: int) -> Block:
    seven = [
        Unit(before, 192, 1),
        Unit(192, 192, (1, 7)),
        Unit(192, 192, (7, 1)),
        Unit(192, 192, 3, 2, padded=False),
    ]
    three = [Unit(before, 192, 1), Unit(192, 320, 3, 2, padded=False)]
    return Block(before, {"branch3x3": three, "branch7x7x3": seven}, "down")


def _e(before: int, pool: str) -> Block:
    three: Chain = [Unit(before, 384, 1), (Unit(384, 384, (1, 3)), Unit(384, 384, (3, 1)))]
    double: Chain = [
        Unit(before, 448, 1),
        Unit(448, 384, 3),
        (Unit(384, 384, (1, 3)), Unit(384, 384, (3, 1))),
    ]
    return Block(
        before,
        {"branch1x1": [Unit(before, 320, 1)], "branch3x3": three, "branch3x3dbl": double},
        pool,
        192,
    )


class Inception(nn.Module):
    """Images → the 2048 features before the classifier, with initial weights."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, padded=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _a(192, 32), _a(256, 64), _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = (
            _c(768, 128),
            _c(768, 160),
            _c(768, 160),
            _c(768, 192),
        )
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = _d(768), _e(1280, "mean"), _e(2048, "max")

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2048"]:
        """Features of images in [-1, 1], resized to 299² without antialiasing, as for published
        scores.
        """
        x = F.interpolate(image, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = F.max_pool2d(x, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean((2, 3))

    @classmethod
    def load(cls, path: Path) -> "Inception":
        """The network with the weights of a file; ValueError if they don't fit."""
        network = cls()
        network.load_state_dict(fitting_weights(path, network, "the Inception of 2015"))
        return network.eval().requires_grad_(False)


def load_inception(
    weights: Path, file: str | None = None, sha256: str | None = None
) -> tuple[Inception, Path]:
    """The network and the path of its weights.

    Raises:
        FileNotFoundError: it isn't in the weights folder.
        ValueError: the file isn't the published one.
    """
    (path,) = require_weights(
        [WeightFile(file or INCEPTION_FILE, "the Inception-v3 of FID", SOURCE, sha256)], weights
    )
    return Inception.load(path), path
