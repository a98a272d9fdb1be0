"""An encoder for one image at a time on a CPU: the same modules, convolutions packed before.

torch's convolutions reorder their weights, and often their inputs, at each call: at batch 1 that
takes as long as the products. Here weights are packed once for oneDNN and feature maps stay
channels-last. Large 3x3 convolutions use minimal filtering (`teachers.stylegan.fast.winograd`).
"""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.stylegan.fast import winograd

FEWEST_PIXELS = 64 * 64
"""Feature maps from which on minimal filtering saves more than its transforms cost."""


class PackedEncoder:
    """Computes what an encoder does, without gradients, in float32 on a CPU.

    Every module stays as it is (and is shared), except for convolutions. Weights that are changed
    later are packed again.

    Args:
        encoder: image → planes; any module that consists of torch's layers.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self.encoder = encoder
        self._weights = list(encoder.parameters())
        self._versions: list[tuple[int, int]] = []
        self._packed = encoder

    @torch.no_grad()
    def __call__(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 channel plane_height plane_width"]:
        """RGB in [-1, 1] → planes."""
        versions = [
            (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
            for weight in self._weights
        ]
        if versions != self._versions:
            self._packed = with_packed_weights(self.encoder)
            self._versions = versions
        planes: Tensor = self._packed(image)
        return planes.contiguous()


def can_pack(encoder: nn.Module) -> bool:
    """Whether `PackedEncoder` takes an encoder here: float32, on a CPU for which oneDNN works."""
    return torch.backends.mkldnn.is_available() and all(
        weight.device.type == "cpu" and weight.dtype == torch.float32
        for weight in encoder.parameters()
    )


def with_packed_weights(module: nn.Module) -> nn.Module:
    """The module with other convolutions; whatever else it consists of is shared."""
    done: dict[int, nn.Module] = {}

    def packed(part: nn.Module) -> nn.Module:
        if id(part) not in done:
            if isinstance(part, nn.Conv2d) and _is_packable(part):
                done[id(part)] = PackedConv2d(part)
            else:
                made = done[id(part)] = copy.copy(part)
                made.__dict__["_modules"] = {
                    name: None if child is None else packed(child)
                    for name, child in part._modules.items()
                }
        return done[id(part)]

    return packed(module)


class PackedConv2d(nn.Module):
    """`nn.Conv2d` for inference; the weights are packed for the size of the first input.

    Args:
        convolution: with zero padding of a given width.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._convolution = [convolution]  # in a list: no part of this module
        self._geometry = (
            [*convolution.padding],
            [*convolution.stride],
            [*convolution.dilation],
            convolution.groups,
        )
        self._packed: Tensor | None = None
        self._transformed: winograd.Weights | None = None

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        """Features → features, channels-last."""
        features = features.contiguous(memory_format=torch.channels_last)
        if self._takes_minimal_filtering(features):
            return self._filtered(features)
        convolution = self._convolution[0]
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                convolution.weight, *self._geometry, list(features.shape)
            )
        return torch.ops.mkldnn._convolution_pointwise(
            features, self._packed, convolution.bias, *self._geometry, "none", [], ""
        )

    def _takes_minimal_filtering(self, features: Tensor) -> bool:
        batch, channel, height, width = features.shape
        convolution, dilation = self._convolution[0], self._geometry[2][0]
        return (
            self._geometry == ([dilation] * 2, [1, 1], [dilation] * 2, 1)
            and convolution.kernel_size == (3, 3)
            and batch == 1
            and height * width >= FEWEST_PIXELS
            and height % dilation == width % dilation == 0
            and winograd.covers(
                height // dilation, width // dilation, channel, convolution.out_channels
            )
        )

    def _filtered(self, features: Tensor) -> Tensor:
        convolution, dilation = self._convolution[0], self._geometry[2][0]
        rows = features[0].permute(1, 2, 0)
        if dilation > 1:
            rows = _stacked_phases(rows, dilation)
        height, width, _ = rows.shape
        outs = features.new_ones(convolution.out_channels)
        if self._transformed is None:
            self._transformed = winograd.transform(
                convolution.weight, features.new_ones(convolution.in_channels), up=False
            )
        bias = torch.zeros_like(outs) if convolution.bias is None else convolution.bias
        filtering = winograd.Convolution(
            self._transformed, winograd.Finish(outs, bias.detach(), leak=1.0), height, width
        )
        found = winograd.large((height, width, len(outs)))
        filtering(rows, found, range(height // 4))
        if dilation > 1:
            found = _without_phases(found, dilation)
        return found.permute(2, 0, 1)[None]


GAP = 4
"""Rows of zeros between the phases of a dilated convolution: a tile's, more than it sees."""


def _stacked_phases(
    rows: Float[Tensor, "height width channel"], dilation: int
) -> Float[Tensor, "stacked_height small_width channel"]:
    """Every `dilation`-th pixel of every `dilation`-th row, for each start, one below the other: a
    dilated convolution of a map is a plain one of each of these.
    """
    height, width, channel = rows.shape
    small, across = height // dilation, width // dilation
    stack = rows.new_zeros(dilation, dilation, small + GAP, across, channel)
    phases = rows.view(small, dilation, across, dilation, channel).permute(1, 3, 0, 2, 4)
    stack[:, :, :small] = phases
    return stack.view(-1, across, channel)


def _without_phases(
    stack: Float[Tensor, "stacked_height small_width channel"], dilation: int
) -> Float[Tensor, "height width channel"]:
    """The map whose phases were stacked."""
    _, across, channel = stack.shape
    phases = stack.view(dilation, dilation, -1, across, channel)[:, :, :-GAP]
    rows = winograd.large((phases.shape[2], dilation, across, dilation, channel))
    rows.copy_(phases.permute(2, 0, 3, 1, 4))
    return rows.view(rows.shape[0] * dilation, across * dilation, channel)


def _is_packable(convolution: nn.Conv2d) -> bool:
    return (
        type(convolution) is nn.Conv2d
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
    )
