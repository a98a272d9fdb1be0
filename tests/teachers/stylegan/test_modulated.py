"""Scaling activations is the same as giving each sample its own weights."""

import math

import pytest
import torch
from torch.nn import functional as F

from teachers.stylegan.modulated import SynthesisLayer, ToRGB

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def inputs(batch: int = 3, channels: int = 5, side: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(batch, channels, side, side, generator=random), torch.randn(
        batch, 4, generator=random
    )


def layer(**others) -> SynthesisLayer:
    torch.manual_seed(1)
    made = SynthesisLayer(5, 7, 4, 12 if others.get("up") else 6, **others)
    torch.nn.init.normal_(made.bias)
    return made


def own_weights(made: SynthesisLayer, w: torch.Tensor) -> torch.Tensor:
    """`[batch out in 3 3]`: the weights scaled by the style, each filter then brought to unit
    length (StyleGAN2 eq. 1, 3).
    """
    style = F.linear(w, made.affine.weight / math.sqrt(4), made.affine.bias)
    scaled = made.weight * style[:, None, :, None, None]
    return scaled / (scaled.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()


def finish(x: torch.Tensor, made: SynthesisLayer) -> torch.Tensor:
    return F.leaky_relu(x + made.bias[:, None, None], 0.2) * math.sqrt(2)


def grouped(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Each sample convolved with its own weights."""
    batch, out = weights.shape[:2]
    return F.conv2d(
        x.flatten(0, 1)[None], weights.flatten(0, 1), padding=1, groups=batch
    ).unflatten(1, (batch, out))[0]


def test_a_modulated_convolution_equals_one_with_per_sample_weights():
    made, (x, w) = layer(), inputs()
    assert torch.allclose(made(x, w), finish(grouped(x, own_weights(made, w)), made), atol=1e-5)


def test_doubling_is_a_true_convolution_of_the_zero_stuffed_picture_then_the_filter():
    made, (x, w) = layer(up=True), inputs()
    stuffed = torch.zeros(3, 5, 11, 11)
    stuffed[:, :, ::2, ::2] = x
    flipped = own_weights(made, w).flip(
        -1, -2
    )  # conv2d correlates; a convolution turns the kernel over
    big = grouped(F.pad(stuffed, (1, 1, 1, 1)), flipped)
    assert big.shape[-1] == 13
    doubled = F.conv2d(F.pad(big, (1, 1, 1, 1)), (FILTER * 4).expand(7, 1, 4, 4), groups=7)
    assert torch.allclose(made(x, w), finish(doubled, made), atol=1e-5)


def test_noise_is_a_constant_picture_times_its_strength_and_only_on_request():
    made, (x, w) = layer(), inputs()
    quiet = made(x, w)
    assert torch.equal(made(x, w, "const"), quiet)  # its strength starts at 0
    made.noise_strength.data.fill_(0.7)
    assert torch.equal(made(x, w, "none"), quiet)
    expected = finish(grouped(x, own_weights(made, w)) + 0.7 * made.noise_const, made)
    assert torch.allclose(made(x, w, "const"), expected, atol=1e-5)


def test_a_layer_without_noise_has_no_tensors_for_it():
    assert {name for name in layer().state_dict()} - {
        name for name in layer(has_noise=False).state_dict()
    } == {
        "noise_const",
        "noise_strength",
    }


def test_outputs_stay_within_the_clamp():
    made, (x, w) = layer(conv_clamp=0.5), inputs()
    assert made(x * 100, w).abs().max() == 0.5
    picture = ToRGB(5, 3, 4, conv_clamp=0.5)
    assert picture(x * 100, w).abs().max() == 0.5


def test_features_keep_their_scale_whatever_the_style():
    made, (x, w) = layer(), inputs()
    assert torch.allclose(made(x, w * 0 + 1), made(x, w * 0 + 1), atol=0)
    made.affine.bias.data.zero_()
    assert torch.allclose(made(x, w), made(x, w * 50), atol=1e-3)


def test_to_rgb_scales_by_the_style_without_normalising():
    torch.manual_seed(2)
    made, (x, w) = ToRGB(5, 3, 4), inputs()
    torch.nn.init.normal_(made.bias)
    style = F.linear(w, made.affine.weight / math.sqrt(4), made.affine.bias) / math.sqrt(5)
    weights = made.weight[None, :, :, 0, 0] * style[:, None]
    assert torch.allclose(
        made(x, w), torch.einsum("boi,bihw->bohw", weights, x) + made.bias[:, None, None], atol=1e-5
    )


@pytest.mark.parametrize("up", [False, True])
def test_bfloat16_activations_give_nearly_the_same(up):
    made, (x, w) = layer(up=up), inputs()
    exact = made(x, w)
    assert (made(x.bfloat16(), w).float() - exact).abs().max() < 0.05 * exact.abs().max()
