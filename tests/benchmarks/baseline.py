"""EG3D's forward pass done plainly: what fast code is compared with, in time and in value.

The algorithm that the published code runs on a CPU, written from the equations of the papers
(StyleGAN2 sec. 2.2; EG3D sec. 3), with an `EG3DTeacher`'s weights:

* a modulated convolution gives every sample its own weights and is one grouped convolution, with
  the batch as groups;
* upsampling is a transposed convolution, then the 4x4 low-pass filter as a depthwise convolution;
  in the skips, zeros are inserted and then filtered;
* every ray's points are looked up at once, in both passes, with the channels of the planes first;
  all samples are then sorted and composited.

`planes`, `feature_image` and `super_resolve` are the stages; `image` is all of them.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from teachers.eg3d.superresolution import SuperResolution
from teachers.eg3d.teacher import EG3DTeacher
from teachers.rendering.camera import Camera
from teachers.rendering.marching import RaySampling
from teachers.rendering.rendering import RayJitter
from teachers.stylegan.linear import EqualizedLinear
from teachers.stylegan.modulated import SynthesisLayer, ToRGB
from teachers.stylegan.synthesis import SynthesisBlock

GRID_AXES = {axes: ["xyz".index(axis) for axis in axes] for axes in ("xy", "xz", "zx", "yz", "zy")}


@torch.inference_mode()
def image(teacher: EG3DTeacher, ws: Tensor, camera: Camera, jitter: RayJitter) -> Tensor:
    """Planes → rays → super-resolution: `[batch 3 height width]`."""
    return view(teacher, planes(teacher, ws), ws, camera, jitter)


@torch.inference_mode()
def view(
    teacher: EG3DTeacher, planes: Tensor, ws: Tensor, camera: Camera, jitter: RayJitter
) -> Tensor:
    """The image of planes that are there already."""
    features = feature_image(teacher, planes, camera, jitter)
    network = teacher.renderer.super_resolution
    if network is None:
        return features[:, :3]
    assert isinstance(network, SuperResolution)
    return super_resolve(network, features, ws)


@torch.inference_mode()
def planes(teacher: EG3DTeacher, ws: Tensor) -> Tensor:
    """StyleGAN2's synthesis with output skips: ws → `[batch 3 channel height width]`."""
    config, network = teacher.configuration, teacher.generator.backbone.synthesis
    x = picture = None
    first = 0
    for part in network.blocks:
        latents = ws[:, first : first + part.num_ws + 1]
        x, picture = block(part, x, picture, latents, with_noise=config.noise == "const")
        first += part.num_ws
    assert picture is not None
    return picture.unflatten(1, (3, config.plane_channels))


@torch.inference_mode()
def super_resolve(network: SuperResolution, features: Tensor, ws: Tensor) -> Tensor:
    """Two synthesis blocks on the feature image, all layers with the last w, without noise."""
    latents = ws[:, -1:].expand(-1, 3, -1)
    side = network.variant.native_resolution
    if features.shape[-1] != side:
        features = F.interpolate(
            features, size=(side, side), mode="bilinear", antialias=network.antialias
        )
    x, picture = block(network.block0, features, features[:, :3], latents)
    return block(network.block1, x, picture, latents)[1]


def block(
    part: SynthesisBlock,
    x: Tensor | None,
    picture: Tensor | None,
    latents: Tensor,
    *,
    with_noise: bool = False,
) -> tuple[Tensor, Tensor]:
    """conv0 (absent in the first block), conv1, and torgb added to the upsampled picture."""
    if x is None:
        x = part.const[None].repeat(len(latents), 1, 1, 1)
    else:
        x = layer(part.conv0, x, latents[:, 0], with_noise)
    x = layer(part.conv1, x, latents[:, -2], with_noise)
    own = to_rgb(part.torgb, x, latents[:, -1])
    if picture is None:
        return x, own
    return x, own + (upsampled(picture) if part.up else picture)


def layer(part: SynthesisLayer, x: Tensor, w: Tensor, with_noise: bool) -> Tensor:
    """Modulated 3x3 convolution, noise, bias, leaky ReLU, gain, clamp (StyleGAN2 eq. 1-3)."""
    style = linear(part.affine, w)
    weights = part.weight[None] * style[:, None, :, None, None]
    weights = weights * (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = grouped_convolution(x, weights, up=part.up)
    if with_noise and part.has_noise:
        x = x + part.noise_const * part.noise_strength
    x = F.leaky_relu(x + part.bias[:, None, None], 0.2) * math.sqrt(2)
    return x if part.conv_clamp is None else x.clamp(-part.conv_clamp, part.conv_clamp)


def to_rgb(part: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """Modulated 1x1 convolution without demodulation, and bias."""
    style = linear(part.affine, w) * part.gain
    weights = part.weight[None] * style[:, None, :, None, None]
    x = grouped_convolution(x, weights) + part.bias[:, None, None]
    return x if part.conv_clamp is None else x.clamp(-part.conv_clamp, part.conv_clamp)


def grouped_convolution(x: Tensor, weights: Tensor, *, up: bool = False) -> Tensor:
    """Every sample with its own weights `[batch out in height width]`."""
    batch, out = weights.shape[:2]
    joined = x.flatten(0, 1)[None]
    if up:
        kernels = weights.transpose(1, 2).flatten(0, 1)
        y = F.conv_transpose2d(joined, kernels, stride=2, groups=batch)
    else:
        y = F.conv2d(joined, weights.flatten(0, 1), padding=weights.shape[-1] // 2, groups=batch)
    y = y.unflatten(1, (batch, out))[0]
    return filtered(y, (1, 1, 1, 1)) if up else y


def upsampled(picture: Tensor) -> Tensor:
    """Zeros between the pixels, then the filter."""
    stuffed = picture.new_zeros(*picture.shape[:2], picture.shape[2] * 2, picture.shape[3] * 2)
    stuffed[:, :, ::2, ::2] = picture
    return filtered(stuffed, (2, 1, 2, 1))


def filtered(x: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
    """The [1 3 3 1] filter in both directions, with gain 4, as a depthwise convolution."""
    taps = x.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = (torch.outer(taps, taps) * 4).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, padding), kernel, groups=x.shape[1])


def linear(part: EqualizedLinear, x: Tensor) -> Tensor:
    """A fully connected layer; its stored weights are scaled when used."""
    return F.linear(x, part.weight * part.weight_gain, part.bias * part.bias_gain)


@torch.inference_mode()
def feature_image(
    teacher: EG3DTeacher, planes: Tensor, camera: Camera, jitter: RayJitter
) -> Tensor:
    """Both passes of the volume rendering, all rays at once: `[batch feature height width]`."""
    renderer = teacher.renderer
    sampling, side = renderer.sampling, renderer.resolution
    rays = camera.rays(side)
    near_depths = stratified(sampling, jitter.coarse)
    colors, logits = look_up(teacher, planes, rays.at(near_depths))
    weights = interval_weights(logits, near_depths)
    far_depths = importance(near_depths, weights, jitter.fine)
    more_colors, more_logits = look_up(teacher, planes, rays.at(far_depths))
    depths, order = torch.cat([near_depths, far_depths], 2).sort(2)
    colors = torch.cat([colors, more_colors], 2)
    colors = colors.gather(2, order[..., None].expand_as(colors))
    logits = torch.cat([logits, more_logits], 2).gather(2, order)
    weights = interval_weights(logits, depths)
    features = (weights[..., None] * (colors[:, :, 1:] + colors[:, :, :-1]) / 2).sum(2)
    if renderer.background is not None:
        features = features + renderer.background * (1 - weights.sum(2, keepdim=True))
    return (features * 2 - 1).mT.unflatten(2, (side, side))


def stratified(sampling: RaySampling, jitter: Tensor) -> Tensor:
    """Evenly spaced depths, each moved towards the next by its jitter."""
    assert sampling.near is not None and sampling.far is not None and not sampling.in_disparity
    count = jitter.shape[-1]
    steps = (torch.arange(count, device=jitter.device) + jitter) / (count - 1)
    return sampling.near + steps * (sampling.far - sampling.near)


def look_up(teacher: EG3DTeacher, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Colours and density logits at points `[batch ray sample 3]`: bilinear, mean over the planes,
    linear, softplus, linear.
    """
    config, decoder = teacher.configuration, teacher.renderer.decoder
    batch, rays, samples = points.shape[:3]
    scaled = points.flatten(1, 2) * (2 / config.box_size)
    grid = torch.stack([scaled[..., GRID_AXES[axes]] for axes in config.plane_axes], 1)
    found = F.grid_sample(
        planes.flatten(0, 1), grid.flatten(0, 1)[:, None], align_corners=False
    )  # [batch·3 channel 1 point]
    features = found[:, :, 0].mT.unflatten(0, (batch, 3)).mean(1).flatten(0, 1)
    first, last = decoder.net[0], decoder.net[2]  # type: ignore[index]
    out = linear(last, F.softplus(linear(first, features))).unflatten(0, (batch, rays, samples))
    return torch.sigmoid(out[..., 1:]) * 1.002 - 0.001, out[..., 0]


def interval_weights(logits: Tensor, depths: Tensor) -> Tensor:
    """Compositing weights of the intervals between samples (EG3D's midpoint rule)."""
    density = F.softplus((logits[..., 1:] + logits[..., :-1]) / 2 - 1)
    alpha = 1 - torch.exp(-density * (depths[..., 1:] - depths[..., :-1]))
    passed = torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha + 1e-10], -1).cumprod(-1)
    return alpha * passed[..., :-1]


def importance(depths: Tensor, weights: Tensor, jitter: Tensor) -> Tensor:
    """Depths drawn from the smoothed weights of the first pass."""
    flat = weights.flatten(0, 1)[:, None]
    pairs = F.max_pool1d(flat, 2, 1, padding=1)
    smooth = F.avg_pool1d(pairs, 2, 1)[:, 0] + 0.01
    mass = smooth[:, 1:-1] + 1e-5
    cdf = F.pad((mass / mass.sum(1, keepdim=True)).cumsum(1), (1, 0))
    bins = ((depths[..., 1:] + depths[..., :-1]) / 2).flatten(0, 1)
    u = jitter.flatten(0, 1).contiguous()
    index = torch.searchsorted(cdf, u, right=True)
    below, above = (index - 1).clamp(min=0), index.clamp(max=mass.shape[1])
    start, end = cdf.gather(1, below), cdf.gather(1, above)
    width = torch.where(end - start < 1e-5, 1.0, end - start)
    first, last = bins.gather(1, below), bins.gather(1, above)
    return (first + (u - start) / width * (last - first)).unflatten(0, jitter.shape[:2])
