"""From a coarse probe of an image's rays to a distribution over bins for every pixel (WYSIWYG
sec. 4.1, table A4).
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

UP = 4
"""The probe has a quarter of the image's side."""


class ProposalNetwork(nn.Module):
    """Probe weights, probe image and view directions → masses of bins at four times the side.

    Four convolutions at the probe's side, one up, two, one up; the logits of the bins are added to
    the probe's own weights, enlarged, so that the network starts from what the probe knows; three
    more, then a softmax. A ReLU follows every other convolution. (The paper lists no kernel sizes:
    3 × 3 here.)

    Args:
        bins: of a ray.
        width: channels; the paper's 256.
    """

    def __init__(self, *, bins: int, width: int) -> None:
        super().__init__()
        self.bins = bins

        def conv(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate")

        def enlarged() -> nn.Upsample:
            return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

        self.probe = nn.Sequential(
            conv(bins + 6, width), nn.ReLU(), conv(width, width), conv(width, width), nn.ReLU(),
            conv(width, width), enlarged(), conv(width, width), nn.ReLU(), conv(width, width),
            conv(width, width), nn.ReLU(), enlarged(), conv(width, width), conv(width, bins),
        )  # fmt: skip
        self.fine = nn.Sequential(
            conv(bins, width), nn.ReLU(), conv(width, width), conv(width, width), nn.ReLU()
        )
        self.last = conv(width, bins)

    def forward(
        self,
        weights: Float[Tensor, "batch ray bin"],
        image: Float[Tensor, "batch ray 3"],
        directions: Float[Tensor, "batch ray 3"],
    ) -> Float[Tensor, "batch fine_ray bin"]:
        """Log-masses of the bins, which add up to 1, of rays at `UP` times the side.

        Args:
            weights: of a square probe image, row by row.
            image: its colours.
            directions: of its rays.
        """
        side = round(weights.shape[1] ** 0.5)
        layers = torch.cat([weights, image, directions], -1)
        layers = rearrange(layers, "batch (row column) c -> batch c row column", row=side)
        probe = layers[:, : self.bins]
        enlarged = F.interpolate(probe, scale_factor=UP, mode="bilinear", align_corners=False)
        logits = self.last(self.fine(self.probe(layers) + enlarged))
        return rearrange(logits, "batch bin row column -> batch (row column) bin").log_softmax(-1)
