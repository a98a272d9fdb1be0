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

FAINT = 1e-4
"""Mass that the light network gives a bin in which the probe saw nothing."""


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


class LightProposalNetwork(nn.Module):
    """Probe weights and view directions → masses of bins, and of the light that passes, of every
    pixel: for fields whose look-ups are cheap, as EG3D's.

    The paper's network takes 2 million multiplications a pixel, more than 96 of EG3D's look-ups
    together; this one some thousand. Its convolutions are at the probe's side; depths become space
    there (sub-pixel convolutions, Shi et al. 2016), so that a pixel itself has linear layers only.
    What the last one gives is added to the logarithm of the probe's own weights, enlarged. It
    starts at 0: an untrained network predicts what the probe saw.

    Args:
        bins: of the probe's rays.
        finer: bins that each of them is cut into.
        up: sides of the image to one of the probe, a power of two.
        width: channels at the probe's side.
        narrow: channels at larger ones.
        convolutions: at the probe's side.
    """

    sees_image = False
    """The probe needs no colours."""

    def __init__(
        self,
        *,
        bins: int,
        finer: int = 1,
        up: int = UP,
        width: int = 48,
        narrow: int = 32,
        convolutions: int = 3,
    ) -> None:
        super().__init__()
        if up < 2 or up & (up - 1) or min(bins, finer, width, narrow, convolutions) < 1:
            raise ValueError(
                f"a proposal network of bins={bins}, finer={finer}, up={up}, width={width},"
                f" narrow={narrow}, convolutions={convolutions}: expected positive numbers, and for"
                " up 2, 4 or 8"
            )
        self.bins, self.finer, self.up = bins, finer, up
        layers: list[nn.Module] = []
        channels = bins + 3
        for _ in range(convolutions):
            layers += [
                nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate"),
                nn.ReLU(),
            ]
            channels = width
        for _ in range(up.bit_length() - 1):
            layers += [nn.Conv2d(channels, 4 * narrow, 1), nn.PixelShuffle(2), nn.ReLU()]
            channels = narrow
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(narrow, bins * finer + 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(
        self,
        weights: Float[Tensor, "batch ray bin"],
        image: object,
        directions: Float[Tensor, "batch ray 3"],
    ) -> Float[Tensor, "batch fine_ray mass"]:
        """Log-masses of the finer bins and, last, of the light that passes, which add up to 1, of
        rays at `up` times the side.

        Args:
            weights: of a square probe image, row by row.
            image: isn't used.
            directions: of its rays.
        """
        side = round(weights.shape[1] ** 0.5)
        layers = torch.cat([weights, directions], -1)
        layers = rearrange(layers, "batch (row column) c -> batch c row column", row=side)
        probe = layers[:, : self.bins]
        passes = (1 - probe.sum(1, keepdim=True)).clamp(min=0)
        known = torch.cat([probe.repeat_interleave(self.finer, 1) / self.finer, passes], 1)
        known = F.interpolate(known, scale_factor=self.up, mode="bilinear", align_corners=False)
        logits = (known + FAINT).log() + self.last(self.layers(layers))
        return rearrange(logits, "batch mass row column -> batch (row column) mass").log_softmax(-1)
