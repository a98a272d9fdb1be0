"""Published ImageNet weights for the ResNet-34 backbone, read from a local file."""

from pathlib import Path

import torch
from torch import Tensor

from .backbone import ResNet34

BATCH_NORM_EPSILON = 1e-5


def load_resnet34(network: ResNet34, path: Path) -> None:
    """Fills the network from torchvision's `resnet34-*.pth`, or a .safetensors file of its names.

    Batch normalisation, frozen at its running statistics, is folded into weights and biases; the
    two coordinate channels of the stem start at zero, so that the network computes exactly what the
    published one does (in evaluation mode, at this network's strides and dilations). A .pth file is
    read without executing anything from it.

    Raises:
        ValueError: the file is missing, unreadable, or not a ResNet-34 state dict.
    """
    published = _read(path)
    folded: dict[str, Tensor] = {}
    for name, parameter in network.state_dict().items():
        convolution, kind = name.rsplit(".", 1)
        weight, bias = _folded(published, convolution, path)
        folded[name] = weight if kind == "weight" else bias
        if name == "conv1.weight" and weight.shape[1] == 3:
            folded[name] = torch.cat(
                [weight, weight.new_zeros(len(weight), 2, *weight.shape[2:])], 1
            )
        if folded[name].shape != parameter.shape:
            raise ValueError(
                f"{path}: {name} has shape {tuple(folded[name].shape)}, ResNet-34 has"
                f" {tuple(parameter.shape)}"
            )
    network.load_state_dict(folded)


def _folded(published: dict[str, Tensor], convolution: str, path: Path) -> tuple[Tensor, Tensor]:
    """Convolution and normalisation as one: w' = w s, b' = β - μ s, with s = γ / √(σ² + ε)."""
    norm = _norm_name(convolution)
    names = [
        f"{convolution}.weight",
        *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")),
    ]
    missing = [name for name in names if name not in published]
    if missing:
        raise ValueError(f"{path} is not torchvision's resnet34: it has no {', '.join(missing)}")
    weight, gain, shift, mean, variance = (published[name].double() for name in names)
    scale = gain / (variance + BATCH_NORM_EPSILON).sqrt()
    return (weight * scale[:, None, None, None]).float(), (shift - mean * scale).float()


def _norm_name(convolution: str) -> str:
    """conv1 → bn1, layer2.0.conv2 → layer2.0.bn2, layer2.0.downsample.0 → layer2.0.downsample.1."""
    if convolution.endswith("downsample.0"):
        return convolution.removesuffix("0") + "1"
    prefix, number = convolution.rsplit("conv", 1)
    return f"{prefix}bn{number}"


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist: download torchvision's resnet34 weights and give the file's"
            " path"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has its own exceptions for a broken file
        raise ValueError(f"{path} can't be read as network weights: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(
            f"{path} holds a {type(state).__name__}, expected a state dict (names and tensors)"
        )
    return state
