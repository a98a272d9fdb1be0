"""The convolutions of ImageNet classifiers, numbered as torchvision's: the features of LPIPS and
DISTS.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .weight_files import WeightFile, fitting_weights

VGG16_FILE, ALEXNET_FILE = "vgg16-397923af.pth", "alexnet-owt-7be5be79.pth"
"""torchvision's names, which say how the hashes begin."""


class Trunk(nn.Module):
    """A sequence of layers of which some activations are returned.

    Args:
        layers: in torchvision's order, so that its `features.N.weight` fit.
        taps: numbers of the layers whose output is returned: the last ReLU of each stage.
        channels: of the activations there.
        smallest: side of the smallest image that reaches the last tap.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        *,
        taps: tuple[int, ...],
        channels: tuple[int, ...],
        smallest: int,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.taps, self.channels, self.smallest = taps, channels, smallest

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """The activations at the taps.

        Args:
            image: normalised as in the network's training.

        Raises:
            ValueError: the image is too small to have any.
        """
        if min(image.shape[-2:]) < self.smallest:
            raise ValueError(
                f"an image of {tuple(image.shape[-2:])} pixels is too small for this network,"
                f" which needs {self.smallest}²"
            )
        activations = []
        for number, layer in enumerate(self.features):
            image = layer(image)
            if number in self.taps:
                activations.append(image)
        return activations

    def load(self, path: Path, contents: str) -> "Trunk":
        """Takes the weights of a torchvision state dict; layers behind the last tap and the
        classifier aren't needed.

        Raises:
            ValueError: the file is not the network that `contents` says.
        """
        self.load_state_dict(fitting_weights(path, self, contents))
        return self


def max_pool(channels: int) -> nn.Module:
    """VGG's own pooling; it has the signature of `vgg16`'s `pool`."""
    return nn.MaxPool2d(2, 2)


def vgg16(pool: Callable[[int], nn.Module] = max_pool) -> Trunk:
    """VGG16 (Simonyan and Zisserman 2015, configuration D) up to relu5_3; the weights are not set.

    Args:
        pool: number of channels → the layer between two stages.
    """
    layers: list[nn.Module] = []
    taps, before = [], 3
    for stage, (channels, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        if stage:
            layers.append(pool(before))
        for _ in range(depth):
            layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
            before = channels
        taps.append(len(layers) - 1)
    return Trunk(layers, taps=tuple(taps), channels=(64, 128, 256, 512, 512), smallest=16)


def alexnet() -> Trunk:
    """AlexNet (Krizhevsky 2014, "one weird trick") up to the last ReLU; the weights are not set."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
    ]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    for before, after in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
    return Trunk(layers, taps=(1, 4, 7, 9, 11), channels=(64, 192, 384, 256, 256), smallest=31)


CONVERTED = {
    VGG16_FILE: WeightFile(
        "vgg16_features.safetensors",
        "torchvision's VGG16 for ImageNet",
        "`trilift weights vgg16`",
        "cabd922aeb0dd6d56f2bed33221aee74b7f1e760ddd105c0e0891606cbab6d0d",
    ),
    ALEXNET_FILE: WeightFile(
        "alexnet_features.safetensors",
        "torchvision's AlexNet for ImageNet",
        "`trilift weights alexnet`",
        "9f97fd313f4da83dbe6bbfbe6effca1241de9edfcd7c53386261ed9697286dd9",
    ),
}
"""torchvision's file → the convolutions alone, as `trilift weights` writes them."""


def torchvision_file(
    published: str, network: str, *, file: str | None, sha256: str | None
) -> WeightFile:
    """A trunk's weights: torchvision's file, or the user's `file`, in the weights folder or among
    torchvision's downloads.
    """
    name = file or published
    downloads = Path(torch.hub.get_dir()) / "checkpoints"
    source = f"`trilift weights {network}`, or https://download.pytorch.org/models/{published}"
    converted = None if file else CONVERTED[published]
    return WeightFile(
        name,
        f"torchvision's {network} for ImageNet",
        source,
        sha256,
        (downloads / name,),
        converted,
    )
