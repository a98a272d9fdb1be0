"""StyleGAN2's residual discriminator (sec. 4.1) with a projected camera label (EG3D sec. 4.3)."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from . import fast
from .linear import LEAK, LEAKY_GAIN, EqualizedLinear, leaky_relu
from .mapping import MappingNetwork
from .modulated import convolve_points
from .resampling import downsample, low_pass


class DiscriminatorConv(nn.Module):
    """Convolution with equalised learning rate; `down` filters and downsamples by 2 first."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        down: bool = False,
        activate: bool = True,
        gain: float = 1.0,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.weight_gain = 1 / math.sqrt(in_channels * kernel**2)
        self.down, self.gain, self.conv_clamp = down, gain, conv_clamp

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out out_height out_width"]:
        """Convolution, bias and leaky ReLU (the latter two only if `activate`)."""
        kernel = self.weight.shape[-1]
        # An activation takes the gain itself; without one it goes into the weights.
        weight = (
            self.weight
            * (self.weight_gain if self.bias is not None else self.weight_gain * self.gain)
        ).to(x.dtype)
        if self.down and kernel == 1:
            x = convolve_points(downsample(x), weight)
        elif self.down:
            # Padding 2: one pixel for the filter, one for the 3x3 convolution, which has none left.
            x = F.conv2d(low_pass(x, padding=2), weight, stride=2)
        elif kernel == 1:
            x = convolve_points(x, weight)
        else:
            x = F.conv2d(x, weight, padding=kernel // 2)
        if self.bias is None:
            return x
        clamp = None if self.conv_clamp is None else self.conv_clamp * self.gain
        if fast.covers_large(x):
            from .fast import layers  # numba takes a second to import

            return layers.activate(
                x, None, self.bias, leak=LEAK, gain=LEAKY_GAIN * self.gain, clamp=clamp
            )
        return leaky_relu(x + self.bias.to(x.dtype)[:, None, None], LEAKY_GAIN * self.gain, clamp)


class DiscriminatorBlock(nn.Module):
    """Residual block that halves the resolution; the first one also has the `fromrgb` layer."""

    def __init__(
        self, image_channels: int, in_channels: int, out_channels: int, *, conv_clamp: float | None
    ) -> None:
        super().__init__()
        if image_channels:
            self.fromrgb = DiscriminatorConv(image_channels, in_channels, 1, conv_clamp=conv_clamp)
        self.is_first = image_channels > 0
        self.conv0 = DiscriminatorConv(in_channels, in_channels, 3, conv_clamp=conv_clamp)
        # The sum of two branches has twice their variance, hence √½ in each (StyleGAN2 sec. 4.1).
        self.conv1 = DiscriminatorConv(
            in_channels, out_channels, 3, down=True, gain=math.sqrt(0.5), conv_clamp=conv_clamp
        )
        self.skip = DiscriminatorConv(
            in_channels, out_channels, 1, down=True, activate=False, gain=math.sqrt(0.5)
        )

    def forward(
        self, x: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out half_height half_width"]:
        """Half the resolution."""
        if self.is_first:
            x = self.fromrgb(x)
        return self.skip(x) + self.conv1(self.conv0(x))


def minibatch_deviation(x: Float[Tensor, "batch channel height width"], group: int = 4) -> Tensor:
    """Appends the mean standard deviation within groups of images (Karras et al. 2018, sec. 3).

    A group is every (batch / group)-th image, so images that follow each other are in different
    groups.
    """
    batch, channels, height, width = x.shape
    group = min(group, batch)
    if batch % group:
        raise ValueError(
            f"the batch of {batch} images is not divisible by the statistics group of {group}"
        )
    members = x.float().reshape(group, -1, channels, height, width)
    deviation = (members.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat(
        [x, deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width).to(x.dtype)],
        1,
    )


class DiscriminatorEpilogue(nn.Module):
    """4x4 features and their minibatch deviation → one vector `[batch channel]`."""

    def __init__(
        self, channels: int, out_channels: int, *, group: int, conv_clamp: float | None
    ) -> None:
        super().__init__()
        self.group = group
        self.conv = DiscriminatorConv(channels + 1, channels, 3, conv_clamp=conv_clamp)
        self.fc = EqualizedLinear(channels * 16, channels, activate=True)
        self.out = EqualizedLinear(channels, out_channels)

    def forward(self, x: Float[Tensor, "batch channel 4 4"]) -> Float[Tensor, "batch out"]:
        """The features that the label is projected on."""
        return self.out(self.fc(self.conv(minibatch_deviation(x, self.group)).flatten(1).float()))


class Discriminator(nn.Module):
    """Images and camera labels → logits, positive for real.

    Args:
        image_channels: all input channels: image, raw image, matte.
        label_dim: 25, or 0 for an unconditional discriminator.
        num_mapping_layers: layers of the label's mapping network.
        group: images per minibatch-statistics group.
        standardizes_label: an option beyond EG3D: labels are standardised by the mean and deviation
            of the training labels (`fit_labels`). Raw ones hardly differ from pose to pose, so a
            short training doesn't learn to use them.
        mapping_rate: factor on the effective learning rate of the label's mapping network.
        patch: an option beyond EG3D: the first block reads patch × patch pixels as channels of one,
            at that fraction of the resolution; 2 saves a third of the work.

    Attributes:
        arguments: its constructor's arguments, which with the weights are enough to build it again.
    """

    label_mean: Tensor
    label_scale: Tensor

    def __init__(
        self,
        *,
        resolution: int,
        image_channels: int,
        label_dim: int = 25,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_mapping_layers: int = 8,
        conv_clamp: float | None = 256.0,
        group: int = 4,
        standardizes_label: bool = False,
        mapping_rate: float = 0.01,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "resolution": resolution,
            "image_channels": image_channels,
            "label_dim": label_dim,
            "channel_base": channel_base,
            "channel_max": channel_max,
            "num_mapping_layers": num_mapping_layers,
            "conv_clamp": conv_clamp,
            "group": group,
            "standardizes_label": standardizes_label,
            "mapping_rate": mapping_rate,
            "patch": patch,
        }
        self.patch = patch
        self.standardizes_label = standardizes_label
        if standardizes_label:
            self.register_buffer("label_mean", torch.zeros(label_dim))
            self.register_buffer("label_scale", torch.ones(label_dim))
        finest, rest = divmod(resolution, patch)
        if rest or finest < 8 or finest.bit_count() != 1:
            raise ValueError(
                f"images of {resolution}x{resolution} in patches of {patch}x{patch}: the"
                " discriminator halves down to 4x4, give an image_resolution that is patch times a"
                " power of two from 8 on"
            )
        self.resolutions = [1 << power for power in range(finest.bit_length() - 1, 2, -1)]
        channels = {r: min(channel_base // r, channel_max) for r in [*self.resolutions, 4]}
        for r in self.resolutions:
            new = image_channels * patch**2 if r == finest else 0
            block = DiscriminatorBlock(new, channels[r], channels[r // 2], conv_clamp=conv_clamp)
            setattr(self, f"b{r}", block)
        self.label_dim = label_dim
        out_channels = channels[4] if label_dim else 1
        if label_dim:
            self.mapping = MappingNetwork(
                z_dim=0,
                label_dim=label_dim,
                w_dim=out_channels,
                num_layers=num_mapping_layers,
                tracks_average=False,
                learning_rate=mapping_rate,
            )
        self.b4 = DiscriminatorEpilogue(
            channels[4], out_channels, group=group, conv_clamp=conv_clamp
        )

    def forward(
        self,
        image: Float[Tensor, "batch channel height width"],
        label: Float[Tensor, "batch label_dim"] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "batch 1"]:
        """One logit per image, `[batch 1]`; `dtype` is that of the convolutions."""
        x = self.b4(self.activations(image, dtype)[-1])
        if not self.label_dim:
            return x
        if self.standardizes_label and label is not None:
            label = (label - self.label_mean) / self.label_scale
        embedding = self.mapping(None, label)
        # Projection discriminator (Miyato and Koyama 2018); the divisor keeps the logit's variance.
        return (x * embedding).sum(1, keepdim=True) / math.sqrt(embedding.shape[1])

    def activations(
        self, image: Float[Tensor, "batch channel height width"], dtype: torch.dtype = torch.float32
    ) -> list[Tensor]:
        """The output of every residual block, from fine to coarse.

        It doesn't depend on the label, which only the last projection reads.
        """
        activations = [
            F.pixel_unshuffle(image, self.patch)
            .to(dtype)
            .contiguous(memory_format=torch.channels_last)
        ]
        for r in self.resolutions:
            activations.append(getattr(self, f"b{r}")(activations[-1]))
        return activations[1:]

    def fit_labels(self, labels: Float[Tensor, "image label_dim"]) -> None:
        """Sets mean and deviation to those of the training labels.

        The deviation has a lower limit, so that components that hardly vary stay near zero.
        """
        self.label_mean.copy_(labels.mean(0))
        self.label_scale.copy_(labels.std(0) + 0.01)
