"""StyleGAN2's synthesis network: every block adds its image to the one before (sec. 4.1)."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from . import fast
from .modulated import NoiseMode, SynthesisLayer, ToRGB
from .resampling import upsample


class SynthesisBlock(nn.Module):
    """One resolution: conv0 (upsampling, absent in the first block), conv1, torgb.

    Args:
        in_channels: 0 for the first block, which starts from a learned constant.
        up: upsample by 2; False for the super-resolution's block that keeps the size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        image_channels: int,
        *,
        up: bool = True,
        conv_clamp: float | None = None,
        has_noise: bool = True,
    ) -> None:
        super().__init__()
        self.up = up
        self.is_first = in_channels == 0
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(
                in_channels,
                out_channels,
                w_dim,
                resolution,
                up=up,
                conv_clamp=conv_clamp,
                has_noise=has_noise,
            )
        self.conv1 = SynthesisLayer(
            out_channels,
            out_channels,
            w_dim,
            resolution,
            conv_clamp=conv_clamp,
            has_noise=has_noise,
        )
        self.torgb = ToRGB(out_channels, image_channels, w_dim, conv_clamp=conv_clamp)

    @property
    def num_ws(self) -> int:
        """Latents that the convolutions take; torgb shares the next block's first."""
        return 1 if self.is_first else 2

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"] | None,
        image: Float[Tensor, "batch image_channel height width"] | None,
        ws: Float[Tensor, "batch layer w_dim"],
        noise: NoiseMode = "none",
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Features and image; `ws` holds one latent per convolution and one for torgb."""
        latents = iter(ws.unbind(1))
        if self.is_first:
            x = (
                self.const.to(dtype)
                .expand(len(ws), -1, -1, -1)
                .contiguous(memory_format=torch.channels_last)
            )
        else:
            x = self.conv0(x, next(latents), noise)
        x = self.conv1(x, next(latents), noise)
        # The skips are summed in float32, whatever the precision of the convolutions.
        own = self.torgb(x, next(latents)).float()
        if image is not None:
            own = own + (upsample(image) if self.up else image)
        return x, own


class SynthesisNetwork(nn.Module):
    """ws → image of `image_channels` at `resolution`, through blocks b4, b8, ….

    Args:
        channel_base, channel_max: a block at resolution r has min(channel_base / r, channel_max)
            channels.
    """

    def __init__(
        self,
        *,
        w_dim: int,
        resolution: int,
        image_channels: int,
        channel_base: int,
        channel_max: int,
        conv_clamp: float | None = None,
        has_noise: bool = True,
    ) -> None:
        super().__init__()
        self.resolutions = [1 << power for power in range(2, resolution.bit_length())]
        channels = {r: min(channel_base // r, channel_max) for r in self.resolutions}
        for r in self.resolutions:
            in_channels = channels[r // 2] if r > 4 else 0
            block = SynthesisBlock(
                in_channels,
                channels[r],
                w_dim,
                r,
                image_channels,
                conv_clamp=conv_clamp,
                has_noise=has_noise,
            )
            setattr(self, f"b{r}", block)

    @property
    def blocks(self) -> list[SynthesisBlock]:
        """From 4x4 upwards."""
        return [cast(SynthesisBlock, getattr(self, f"b{r}")) for r in self.resolutions]

    @property
    def num_ws(self) -> int:
        """Latents that the whole network takes: one per convolution and one for the last torgb."""
        return sum(block.num_ws for block in self.blocks) + 1

    def forward(
        self,
        ws: Float[Tensor, "batch layer w_dim"],
        noise: NoiseMode = "none",
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "batch image_channel height width"]:
        """The last block's image, float32; `dtype` is that of the convolutions."""
        if fast.applies(ws, dtype):
            from .fast.synthesis import synthesize  # numba takes a second to import

            return synthesize(self, ws, noise)
        x = image = None
        start = 0
        for block in self.blocks:
            # One more than the block consumes: torgb's, which is the next block's first, too.
            x, image = block(x, image, ws[:, start : start + block.num_ws + 1], noise, dtype)
            start += block.num_ws
        return cast(Tensor, image)
