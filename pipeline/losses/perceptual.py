"""LPIPS: weighted distances of activations of an ImageNet classifier (Zhang et al. 2018, eq. 1).

torchmetrics has the same distance, but needs torchvision for its trunks; the linear weights are
taken from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .frozen import Frozen, NetworkDistance
from .trunks import ALEXNET_FILE, VGG16_FILE, Trunk, alexnet, torchvision_file, vgg16
from .weight_files import WeightFile, read_weights, require_weights, shipped_with_torchmetrics


@dataclass(frozen=True)
class Published:
    """A trunk that LPIPS was fitted to: its layers, torchvision's file, and the linear weights
    (version 0.1).
    """

    build: Callable[[], Trunk]
    trunk_file: str
    heads: WeightFile


NETWORKS = {
    "vgg16": Published(
        vgg16,
        VGG16_FILE,
        WeightFile(
            "lpips_vgg.pth",
            "LPIPS's linear weights for VGG16, version 0.1",
            "https://github.com/richzhang/PerceptualSimilarity (lpips/weights/v0.1/vgg.pth)",
            "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
            (shipped_with_torchmetrics("lpips_models/vgg.pth"),),
        ),
    ),
    "alexnet": Published(
        alexnet,
        ALEXNET_FILE,
        WeightFile(
            "lpips_alex.pth",
            "LPIPS's linear weights for AlexNet, version 0.1",
            "https://github.com/richzhang/PerceptualSimilarity (lpips/weights/v0.1/alex.pth)",
            "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            (shipped_with_torchmetrics("lpips_models/alex.pth"),),
        ),
    ),
}


class LPIPS(nn.Module):
    """d = Σ_l mean_hw ‖w_l ⊙ (ŷ - ŷ*)‖² with activations ŷ of unit length at each position (eq. 1).

    Args:
        trunk: whose activations are compared.
        heads: the squared w_l, non-negative, one for each channel of each activation.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: Trunk, heads: Sequence[Float[Tensor, " _"]]) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ParameterList(heads)
        # ImageNet's mean and deviation for images in [-1, 1], rounded as LPIPS rounds them.
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])

    def forward(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, " batch"]:
        """One distance for each pair of images in [-1, 1]; the target gets no gradient."""
        with torch.no_grad():
            expected = self._directions(target)
        seen = self._directions(prediction)
        distances = [
            torch.einsum("bchw, c -> bhw", (one - other).square(), head).mean((1, 2))
            for one, other, head in zip(seen, expected, self.heads, strict=True)
        ]
        return torch.stack(distances).sum(0)

    def _directions(self, image: Tensor) -> list[Tensor]:
        """The activations at each position as unit vectors."""
        activations = self.trunk((image - self.shift) / self.scale)
        return [x * (x.square().sum(1, keepdim=True) + 1e-8).rsqrt() for x in activations]


class PerceptualLoss(NetworkDistance):
    """LPIPS of the final images plus that of the raw ones (LP3D eq. 5, supp. A2: both, weight 1).
    It is 0 for equal images, .1 for good copies, .7 for unrelated ones.

    Args:
        weight: factor in the sum.
        raw_weight: factor of the raw images within the loss.
        network: vgg16 or alexnet; LP3D doesn't say which.
        weights_folder: has the network's weights as torchvision publishes them (.pth or
            .safetensors). The linear weights come with torchmetrics, unless `lpips_vgg.pth` or
            `lpips_alex.pth` is there.
        file: another name than torchvision's.
        sha256: hash of that file, or its beginning.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the network isn't known, or a file is not what it should be.
    """

    def __init__(
        self,
        *,
        weights_folder: Path | str,
        weight: float | int = 1.0,
        raw_weight: float | int = 1.0,
        network: str = "vgg16",
        file: str | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__(weight=weight, raw_weight=raw_weight)
        if network not in NETWORKS:
            raise ValueError(
                f"LPIPS was not fitted to {network!r}: expected {' or '.join(NETWORKS)}"
            )
        published = NETWORKS[network]
        trunk_file = torchvision_file(published.trunk_file, network, file=file, sha256=sha256)
        trunk_path, heads_path = require_weights(
            [trunk_file, published.heads], Path(weights_folder)
        )
        trunk = published.build().load(trunk_path, trunk_file.contents)
        self.network = Frozen(LPIPS(trunk, head_weights(heads_path, trunk.channels)))


def head_weights(path: Path, channels: Sequence[int]) -> list[Tensor]:
    """The linear weights, which the package lpips calls linN.model.1.weight."""
    published = read_weights(path)
    names = [f"lin{number}.model.1.weight" for number in range(len(channels))]
    if any(
        name not in published or published[name].numel() != size
        for name, size in zip(names, channels, strict=True)
    ):
        raise ValueError(
            f"{path} does not hold the linear weights of this network: expected"
            f" {', '.join(names)} of {tuple(channels)} channels"
        )
    return [published[name].flatten() for name in names]
