"""Published state dicts of torch.save → the tensors that our networks take."""

import numpy as np

from .torch_file import read_state_dict

Tensors = dict[str, np.ndarray]

EPSILON = 1e-3
"""Of EfficientNet's batch normalisation."""


def shift_tolerant_lpips(content: bytes) -> Tensors:
    """stlpips-pytorch's AlexNet as `pipeline.losses.shift_tolerant` names it."""
    tensors: Tensors = {}
    for name, array in read_state_dict(content).items():
        first, _, rest = name.partition(".")
        if first == "net" and not rest.endswith("filt"):  # which is the blur
            tensors[f"trunk.features.{rest.partition('.')[2]}"] = np.ascontiguousarray(array)
        elif first.startswith("lin"):
            tensors[f"heads.{first[3:]}"] = array.reshape(-1).copy()
    return tensors


def efficientnet_lite0(content: bytes) -> Tensors:
    """EfficientNet-Lite0 as `pipeline.evaluation.metrics.efficientnet` names it: without the
    classifier, each normalisation folded into the convolution before it.
    """
    state = read_state_dict(content)
    tensors = _folded(state, "_conv_stem", "_bn0", "stem.convolution")
    tensors |= _folded(state, "_conv_head", "_bn1", "head.convolution")
    number = 0
    while f"_blocks.{number}._project_conv.weight" in state:
        pairs = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        block = f"_blocks.{number}."
        there = [pair for pair in pairs if f"{block}{pair[0]}.weight" in state]
        for layer, (convolution, norm) in enumerate(there):
            to = f"blocks.{number}.layers.{layer}.convolution"
            tensors |= _folded(state, block + convolution, block + norm, to)
        number += 1
    return tensors


def _folded(state: Tensors, convolution: str, norm: str, to: str) -> Tensors:
    """γ (w∗x - μ) / √(σ² + ε) + β as one convolution with a bias."""
    weight, gamma, beta, mean, variance = (
        state[name].astype(np.float64)
        for name in (
            f"{convolution}.weight",
            *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")),
        )
    )
    factor = gamma / np.sqrt(variance + EPSILON)
    folded = {
        f"{to}.weight": weight * factor[:, None, None, None],
        f"{to}.bias": beta - mean * factor,
    }
    return {name: np.ascontiguousarray(array, np.float32) for name, array in folded.items()}
