"""DeepLabV3's deep features: ResNet-34 at output stride 8 without batch normalisation, and ASPP."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .initial import scale_weight


class BackboneFeatures(NamedTuple):
    """Outputs of a backbone: the first two layers (for a detail branch) and the deep features."""

    layer1: Float[Tensor, "batch channel1 height1 width1"]
    layer2: Float[Tensor, "batch channel2 height2 width2"]
    deep: Float[Tensor, "batch channel height width"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with biases and a shortcut; named as torchvision names them.

    Args:
        in_channels, channels: before and after.
        stride: of the first convolution and of the shortcut.
        dilation: of both convolutions.
    """

    def __init__(
        self, *, in_channels: int, channels: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, channels, 3, stride, padding=dilation, dilation=dilation
        )
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        changes = stride != 1 or in_channels != channels
        self.downsample = (
            nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride)) if changes else None
        )

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        """Features → features, smaller by the stride."""
        shortcut = features if self.downsample is None else self.downsample(features)
        return F.relu(self.conv2(F.relu(self.conv1(features))) + shortcut)


class ResNet34(nn.Module):
    """ResNet-34 on RGB + coordinates; its last two stages are dilated, not strided (LP3D supp. A2).

    Without batch normalisation every convolution has a bias. State dict names are torchvision's, so
    that `imagenet.load_resnet34` can fold a published file into it.
    """

    channels = (64, 128, 256, 512)
    blocks = (3, 4, 6, 3)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(5, 64, 7, 2, padding=3)
        self.layer1 = self._stage(0)
        self.layer2 = self._stage(1, stride=2)
        # Dilations in place of strides: the receptive field of stride 32 at 1/8 of the size.
        self.layer3 = self._stage(2, dilation=2)
        self.layer4 = self._stage(3, dilation=4)

    def _stage(self, stage: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
        width = self.channels[stage]
        first = ResidualBlock(
            in_channels=self.channels[max(stage - 1, 0)],
            channels=width,
            stride=stride,
            dilation=dilation,
        )
        others = [
            ResidualBlock(in_channels=width, channels=width, dilation=dilation)
            for _ in range(self.blocks[stage] - 1)
        ]
        return nn.Sequential(first, *others)

    def initialise_residuals(self) -> None:
        """Scales the residual branches down: without normalisation their variances add up."""
        for block in self.modules():
            if isinstance(block, ResidualBlock):
                scale_weight(block.conv2, sum(self.blocks) ** -0.5)

    def forward(self, positioned: Float[Tensor, "batch 5 height width"]) -> BackboneFeatures:
        """RGB + coordinates → `layer1` at 1/4, `layer2` and `deep` (512 channels) at 1/8."""
        stem = F.max_pool2d(F.relu(self.conv1(positioned)), 3, 2, padding=1)
        layer1 = self.layer1(stem)
        layer2 = self.layer2(layer1)
        return BackboneFeatures(layer1, layer2, self.layer4(self.layer3(layer2)))


class AtrousPyramid(nn.Module):
    """ASPP (DeepLabV3 sec. 3.3): four dilations and a global pooling, then a 3x3 convolution."""

    def __init__(
        self, *, in_channels: int, channels: int, dilations: tuple[int, ...] = (12, 24, 36)
    ) -> None:
        super().__init__()
        self.point = nn.Conv2d(in_channels, channels, 1)
        self.dilated = nn.ModuleList(
            nn.Conv2d(in_channels, channels, 3, padding=d, dilation=d) for d in dilations
        )
        self.whole = nn.Conv2d(in_channels, channels, 1)
        self.project = nn.Conv2d(channels * (len(dilations) + 2), channels, 1)
        self.refine = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel height width"]:
        """Features → features of the same size."""
        whole = self.whole(features.mean((2, 3), keepdim=True)).expand(-1, -1, *features.shape[2:])
        scales = [
            self.point(features),
            *(convolution(features) for convolution in self.dilated),
            whole,
        ]
        return F.relu(self.refine(F.relu(self.project(F.relu(torch.cat(scales, 1))))))


class DeepLabBackbone(nn.Module):
    """ResNet-34 and ASPP: 256 channels at 1/8 of the image's size (F_low of LP3D)."""

    out_channels = 256

    def __init__(self) -> None:
        super().__init__()
        self.layer_channels = {"layer1": 64, "layer2": 128}
        self.resnet = ResNet34()
        self.pyramid = AtrousPyramid(in_channels=512, channels=self.out_channels)

    def initialise_residuals(self) -> None:
        """See `ResNet34.initialise_residuals`."""
        self.resnet.initialise_residuals()

    def forward(self, positioned: Float[Tensor, "batch 5 height width"]) -> BackboneFeatures:
        """RGB + coordinates → `deep` of 256 channels at 1/8, and the first two layers."""
        features = self.resnet(positioned)
        return features._replace(deep=self.pyramid(features.deep))
