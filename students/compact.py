"""A small backbone for small images: the deepest of three stages sees the whole face."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .backbone import BackboneFeatures, ResidualBlock
from .initial import scale_weight


class CompactBackbone(nn.Module):
    """Features at 1/2, 1/4 and 1/8 of the image's size; the last are added to the second.

    At 64x64 DeepLab's features are 8x8, and its dilations of 12 and more reach only padding. Here
    the deep stage has most of the weights and few of the multiplications.

    Args:
        widths: channels at 1/2, 1/4 and 1/8.
        blocks: residual blocks of each stage.
    """

    def __init__(self, *, widths: tuple[int, int, int], blocks: tuple[int, int, int]) -> None:
        super().__init__()
        self.out_channels = widths[1]
        self.layer_channels = {"layer1": widths[0], "layer2": widths[1]}
        self.stem = nn.Conv2d(5, widths[0], 5, 2, padding=2)
        self.layer1 = _stage(widths[0], widths[0], blocks[0], stride=1)
        self.layer2 = _stage(widths[0], widths[1], blocks[1], stride=2)
        self.layer3 = _stage(widths[1], widths[2], blocks[2], stride=2)
        self.whole = nn.Linear(widths[2], widths[2])
        self.lateral = nn.Conv2d(widths[2], widths[1], 1)
        self.num_blocks = sum(blocks)

    def initialise_residuals(self) -> None:
        """Scales the residual branches down: no normalisation keeps their sum bounded."""
        for block in self.modules():
            if isinstance(block, ResidualBlock):
                scale_weight(block.conv2, self.num_blocks**-0.5)

    def forward(self, positioned: Float[Tensor, "batch 5 height width"]) -> BackboneFeatures:
        """RGB + coordinates → `layer1` at 1/2, `layer2` and `deep` at 1/4."""
        layer1 = self.layer1(F.relu(self.stem(positioned)))
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        # Context of the whole image, for which DeepLab has ASPP's global pooling.
        layer3 = layer3 + self.whole(layer3.mean((2, 3)))[:, :, None, None]
        context = F.interpolate(
            self.lateral(layer3), size=layer2.shape[2:], mode="bilinear", align_corners=False
        )
        return BackboneFeatures(layer1, layer2, layer2 + context)


def _stage(in_channels: int, channels: int, blocks: int, *, stride: int) -> nn.Sequential:
    first = ResidualBlock(in_channels=in_channels, channels=channels, stride=stride)
    return nn.Sequential(
        first, *(ResidualBlock(in_channels=channels, channels=channels) for _ in range(blocks - 1))
    )
