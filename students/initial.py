"""Initial weights of networks without batch normalisation."""

from torch import nn


def initialise(network: nn.Module) -> None:
    """Kaiming normal for convolutions, truncated normal 0.02 for linear layers, zero biases.

    Kaiming's fan is that of the inputs, which preserves the size of activations.

    Depthwise convolutions sit behind a linear layer inside a residual branch, where Kaiming's gain
    does no harm.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def scale_weight(convolution: nn.Conv2d, factor: float) -> None:
    """Multiplies a convolution's weights, to scale its residual branch or the first prediction."""
    convolution.weight.data.mul_(factor)
