"""StyleGAN2's synthesis blocks for one image at a time, without gradients.

At batch 1, styles, demodulation and the activation's gain go into the weights and the bias (leaky
ReLU is positively homogeneous); bias, noise, activation and clamp are done where the convolution
writes its outputs.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.fast.threads import in_parallel, slices
from teachers.stylegan.linear import LEAK, LEAKY_GAIN
from teachers.stylegan.modulated import NoiseMode, SynthesisLayer, ToRGB
from teachers.stylegan.resampling import low_pass, upsample
from teachers.stylegan.synthesis import SynthesisBlock, SynthesisNetwork

from .small_kernels import add_upsampled, sum_styled_squares
from .winograd import Convolution, Finish, Projection, covers, large, transform

FEWEST_PIXELS = 64 * 64
"""Inputs smaller than this are left to torch's convolutions: transforming the weights costs more
than is saved."""

MOST_UNFOLDED_PIXELS = 16 * 16
"""Up to so many pixels a convolution is one product with the weights as they are stored."""

MOST_FUSED_COLORS = 4
"""Up to so many output channels torgb is done where conv1 writes its outputs."""

STRIP = 16
"""Rows of tiles that the last block takes through both of its convolutions before the next."""


def synthesize(
    network: SynthesisNetwork, ws: Float[Tensor, "batch layer w_dim"], noise: NoiseMode
) -> Float[Tensor, "batch image_channel height width"]:
    """What `SynthesisNetwork.forward` computes."""
    images = []
    for row in ws.split(1):
        x = image = None
        start = 0
        for part in network.blocks:
            last = part is network.blocks[-1]
            x, image = block(part, x, image, row[:, start : start + part.num_ws + 1], noise, last)
            start += part.num_ws
        assert image is not None
        images.append(image)
    return images[0] if len(images) == 1 else torch.cat(images)


def enlarge(
    blocks: Sequence[SynthesisBlock],
    features: Float[Tensor, "batch channel height width"],
    image: Float[Tensor, "batch image_channel height width"],
    ws: Float[Tensor, "batch layer w_dim"],
) -> Float[Tensor, "batch image_channel out_height out_width"]:
    """The image after a row of blocks that all take the same ws."""
    images = []
    for number in range(len(features)):
        row = slice(number, number + 1)
        own = image[row]
        x: Tensor | None = features[row].contiguous(memory_format=torch.channels_last)
        for part in blocks:
            x, own = block(part, x, own, ws[row], last=part is blocks[-1])
        images.append(own)
    return images[0] if len(images) == 1 else torch.cat(images)


def block(
    part: SynthesisBlock,
    x: Float[Tensor, "1 channel height width"] | None,
    image: Float[Tensor, "1 image_channel height width"] | None,
    ws: Float[Tensor, "1 layer w_dim"],
    noise: NoiseMode = "none",
    last: bool = False,
) -> tuple[Tensor | None, Tensor]:
    """What `SynthesisBlock.forward` computes, for one image; `last`: perhaps without features."""
    if x is None:
        x = layer(part.conv1, part.const[None], ws[:, 0], noise)
        return x, _added(_to_rgb(part.torgb, x, ws[:, -1]), image, part.up)
    side = x.shape[-1] * (2 if part.up else 1)
    if part.torgb.weight.shape[0] > MOST_FUSED_COLORS or not _covers(part.conv1, side):
        x = layer(part.conv1, layer(part.conv0, x, ws[:, 0], noise), ws[:, 1], noise)
        return x, _added(_to_rgb(part.torgb, x, ws[:, -1]), image, part.up)
    own = x.new_zeros(1, len(part.torgb.bias), side, side)
    if image is not None:
        own.copy_(upsample(image) if part.up else image)
    second = _convolution(part.conv1, side, ws[:, 1], noise)
    second = replace(second, projection=_projection(part.torgb, ws[:, -1]), image=own[0])
    if last and part.up and _covers(part.conv0, x.shape[-1]):
        _in_strips(_convolution(part.conv0, x.shape[-1], ws[:, 0], noise), second, _rows(x))
        return None, own
    x = layer(part.conv0, x, ws[:, 0], noise)
    out = None if last else large((side, side, second.weights.outs))
    second(_rows(x), out, range(side // 4))
    return None if out is None else _channels_first(out), own


def layer(
    part: SynthesisLayer,
    x: Float[Tensor, "1 channel height width"],
    w: Float[Tensor, "1 w_dim"],
    noise: NoiseMode = "none",
) -> Float[Tensor, "1 out out_height out_width"]:
    """What `SynthesisLayer.forward` computes, for one image."""
    side = x.shape[-1]
    if not _covers(part, side):
        return _small_layer(part, x, w, noise)
    convolution = _convolution(part, side, w, noise)
    scale, outs = convolution.weights.scale, convolution.weights.outs
    out = large((side * scale, side * scale, outs))
    convolution(_rows(x), out, range(side // 4))
    return _channels_first(out)


def _small_layer(part: SynthesisLayer, x: Tensor, w: Tensor, noise: NoiseMode) -> Tensor:
    """With torch's convolutions: where reading the weights takes longer than using them."""
    style = part.affine(w)[0]
    x = x * style[:, None, None]
    side = x.shape[-1]
    if part.up:
        x = F.conv_transpose2d(x, part.weight.transpose(0, 1), stride=2)
        x = low_pass(x, padding=1, gain=4.0)
    elif side**2 <= MOST_UNFOLDED_PIXELS:
        x = part.weight.flatten(1) @ F.unfold(x, 3, padding=1)
        x = x.unflatten(2, (side, side))
    else:
        x = F.conv2d(x, part.weight, padding=1)
    finish = _finish(part, _styled_squares(part.weight, style), noise)
    x = x.mul_(finish.gain[:, None, None]).add_(finish.bias[:, None, None])
    if finish.noise is not None:
        x.add_(finish.noise)
    F.leaky_relu_(x, LEAK)
    return x if finish.clamp is None else x.clamp_(-finish.clamp, finish.clamp)


def _styled_squares(weight: Tensor, style: Tensor) -> Float[Tensor, " out"]:
    """Sums of the squares of an output's weights, scaled by the style."""
    out, channel = weight.shape[:2]
    sums, flat, styles = np.empty(out, np.float32), weight.reshape(-1).numpy(), style.numpy()
    pieces = slices(out, 128)

    def add(number: int) -> None:
        rows = pieces[number]
        sum_styled_squares(flat, channel, styles, sums, rows.start, rows.stop)

    in_parallel(add, len(pieces))
    return torch.from_numpy(sums)


def _in_strips(first: Convolution, second: Convolution, x: Tensor) -> None:
    """An upsampling convolution, and one after it of which only the image is wanted; the features
    between them exist for a strip of rows at a time.
    """
    height, outs = first.height, first.weights.outs
    between = large(((8 * STRIP + 8), 2 * first.width, outs))
    top = done = 0
    for start in range(0, height // 4, STRIP):
        stop = min(start + STRIP, height // 4)
        first(x, between, range(start, stop), out_top=top)
        ready = 2 * stop if stop == height // 4 else 2 * stop - 1  # the next sees a row below
        second(between, None, range(done, ready), x_top=top)
        between[:8] = between[8 * stop - 8 - top : 8 * stop - top].clone()
        top, done = 8 * stop - 8, ready


def _covers(part: SynthesisLayer, side: int) -> bool:
    out, channel = part.weight.shape[:2]
    return side**2 >= FEWEST_PIXELS and covers(side, side, channel, out)


def _convolution(part: SynthesisLayer, side: int, w: Tensor, noise: NoiseMode) -> Convolution:
    weights = transform(part.weight, part.affine(w)[0], up=part.up)
    finish = _finish(part, weights.norm.square(), noise)
    return Convolution(weights, finish, side, side)


def _finish(part: SynthesisLayer, squares: Float[Tensor, " out"], noise: NoiseMode) -> Finish:
    """Demodulation, noise, bias and activation; `squares`: the sums of the modulated weights'."""
    gain = (squares + 1e-8).rsqrt() * LEAKY_GAIN
    has_noise = noise == "const" and part.has_noise
    picture = part.noise_const * (part.noise_strength * LEAKY_GAIN) if has_noise else None
    return Finish(gain, part.bias * LEAKY_GAIN, picture, part.conv_clamp)


def _projection(part: ToRGB, w: Tensor) -> Projection:
    weight = part.weight[:, :, 0, 0] * (part.affine(w) * part.gain)
    return Projection(weight.contiguous(), part.bias.detach(), part.conv_clamp)


def _to_rgb(part: ToRGB, x: Tensor, w: Tensor) -> Float[Tensor, "1 image_channel height width"]:
    folded = _projection(part, w)
    rows = _rows(x)
    own = large((*rows.shape[:2], len(folded.bias)))
    torch.addmm(folded.bias, rows.flatten(0, 1), folded.weight.mT, out=own.flatten(0, 1))
    if folded.clamp is not None:
        own.clamp_(-folded.clamp, folded.clamp)
    return _channels_first(own)


def _added(own: Tensor, image: Tensor | None, up: bool) -> Tensor:
    """The image so far, upsampled, added to the block's own, in place."""
    if image is None or not up:
        return own if image is None else own.add_(image)
    height, width, channels = _rows(image).shape
    small, big = _rows(image).contiguous().view(-1).numpy(), _rows(own).view(-1).numpy()
    pieces = slices(2 * height, 32)

    def add(number: int) -> None:
        rows = pieces[number]
        add_upsampled(small, height, width, channels, big, rows.start, rows.stop)

    in_parallel(add, len(pieces))
    return own


def _rows(x: Float[Tensor, "1 channel height width"]) -> Float[Tensor, "height width channel"]:
    return x[0].permute(1, 2, 0)


def _channels_first(x: Float[Tensor, "height width channel"]) -> Tensor:
    return x.permute(2, 0, 1)[None]
