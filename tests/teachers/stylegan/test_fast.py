"""Fast synthesis equals the readable one."""

import dataclasses
import threading

import pytest
import torch
from torch.nn import functional as F

from teachers.eg3d import superresolution
from teachers.eg3d.superresolution import VARIANTS, SuperResolution
from teachers.kernels import use_kernels
from teachers.stylegan.fast import synthesis, winograd
from teachers.stylegan.fast.synthesis import block, layer
from teachers.stylegan.modulated import SynthesisLayer
from teachers.stylegan.resampling import low_pass
from teachers.stylegan.synthesis import SynthesisBlock, SynthesisNetwork


def draw(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module with biases and noise that are not zero."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.data += torch.randn(parameter.shape, generator=random)
    return module.requires_grad_(False)


def network(seed: int = 1, **others) -> SynthesisNetwork:
    torch.manual_seed(seed)
    sizes = {"w_dim": 8, "resolution": 64, "image_channels": 6, "channel_max": 64}
    return draw(SynthesisNetwork(**{**sizes, "channel_base": 64 * 64, **others}))


def latents(of: SynthesisNetwork, batch: int) -> torch.Tensor:
    return torch.randn(batch, of.num_ws, 8, generator=torch.Generator().manual_seed(2))


def require_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-5 of the largest value; the parity tests allow planes 1e-4 of 21, images 5e-4."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.fixture(autouse=True)
def small_images_too(monkeypatch) -> None:
    monkeypatch.setattr(synthesis, "FEWEST_PIXELS", 32**2)
    monkeypatch.setattr(synthesis, "STRIP", 3)


@pytest.fixture
def taken(monkeypatch) -> list[tuple[int, bool]]:
    """Output channels and upsampling of every convolution by minimal filtering."""
    seen = []

    def counted(weight, style, *, up):
        seen.append((len(weight), up))
        return winograd.transform(weight, style, up=up)

    monkeypatch.setattr(synthesis, "transform", counted)
    return seen


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("height, width, channels, panels", [(4, 4, 16, 1), (12, 20, 80, 2)])
@torch.no_grad()
def test_minimal_filtering_equals_the_convolution_and_filter(up, height, width, channels, panels):
    random, outs = torch.Generator().manual_seed(0), winograd.WIDTH * panels
    x = torch.randn(1, channels, height, width, generator=random)
    weight = torch.randn(outs, channels, 3, 3, generator=random) / (9 * channels) ** 0.5
    style, gain = (torch.rand(n, generator=random) + 0.5 for n in (channels, outs))
    bias = torch.randn(outs, generator=random)
    folded = (weight * style[:, None, None] * gain[:, None, None, None]).double()
    if up:
        big = F.conv_transpose2d(x.double(), folded.transpose(0, 1), stride=2)
        expected = low_pass(big, padding=1, gain=4.0)
    else:
        expected = F.conv2d(x.double(), folded, padding=1)
    noise = torch.randn(expected.shape[2:], generator=random)
    expected = F.leaky_relu(expected + noise + bias[:, None, None], 0.2).clamp(-3, 3)

    weights = winograd.transform(weight, style, up=up)
    norm = (weight * style[:, None, None]).square().sum((1, 2, 3)).sqrt()
    assert torch.allclose(weights.norm, norm)
    finish = winograd.Finish(gain, bias, noise, 3.0)
    color, image = torch.randn(3, outs, generator=random), torch.randn(3, *noise.shape)
    projection = winograd.Projection(color, bias[:3].clone(), 2.0)
    own = torch.einsum("oc,chw->ohw", color.double(), expected[0]) + bias[:3, None, None]
    rows = x[0].permute(1, 2, 0).contiguous()
    for out in (torch.empty(*noise.shape, outs), None):
        added = image.clone()
        convolution = winograd.Convolution(weights, finish, height, width, projection, added)
        convolution(rows, out, range(height // 4))
        if out is not None:
            require_close(out.permute(2, 0, 1)[None].double(), expected)
        require_close(added.double(), image.double() + own.clamp(-2, 2))


@pytest.mark.parametrize("noise", ["none", "const"])
@pytest.mark.parametrize(
    "others", [{}, {"conv_clamp": 1.0}, {"has_noise": False}, {"image_channels": 3}]
)
@torch.no_grad()
def test_planes_equal_the_readable_ones(taken, noise, others):
    made = network(**others)
    ws = latents(made, 1)
    expected = made(ws, noise)
    with use_kernels("fast"):
        require_close(made(ws, noise), expected)
    assert sorted(taken) == [(64, False), (64, False), (64, True)]


@torch.no_grad()
def test_each_image_of_a_batch_is_that_of_its_own_ws():
    made = network()
    ws = latents(made, 3)
    with use_kernels("fast"):
        together = made(ws)
        assert all(torch.equal(together[n : n + 1], made(ws[n : n + 1])) for n in range(3))
    require_close(together, made(ws))


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_images_equal_the_readable_ones(monkeypatch, taken, variant):
    """At a half or a quarter of the published size."""
    published = VARIANTS[variant]
    small = dataclasses.replace(published, native_resolution=32)
    monkeypatch.setitem(superresolution.VARIANTS, variant, small)
    torch.manual_seed(3)
    made = draw(SuperResolution(variant=variant, w_dim=8, conv_clamp=3.0))
    features = torch.randn(2, 32, 32, 32, generator=torch.Generator().manual_seed(4))
    ws = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(5))
    expected = made(features, ws)
    with use_kernels("fast"):
        require_close(made(features, ws), expected)
    one, two = published.channels
    conv0, conv1 = (one, published.first_up), (one, False)
    assert sorted(taken) == sorted(2 * [conv0, conv1, (two, True), (two, False)])


@torch.no_grad()
def test_other_sizes_equal_the_readable_ones_by_other_ways(taken):
    torch.manual_seed(0)
    for made, side in (
        (SynthesisLayer(17, 64, 8, 32, conv_clamp=1.0), 32),  # channels
        (SynthesisLayer(16, 60, 8, 32), 32),  # outputs
        (SynthesisLayer(16, 64, 8, 8), 8),  # few pixels
        (SynthesisLayer(16, 64, 8, 16, up=True), 8),
    ):
        draw(made)
        x, w = torch.randn(1, made.weight.shape[1], side, side), torch.randn(1, 8)
        require_close(layer(made, x, w, "const"), made(x, w, "const"))
    for up in (False, True):
        block_of = draw(SynthesisBlock(32, 60, 8, 64, 3, up=up, has_noise=False))
        x, image = torch.randn(1, 32, 32, 32), torch.randn(1, 3, 32, 32)
        ws = torch.randn(1, 3, 8)
        expected = block_of(x, image, ws)
        for found, wanted in zip(block(block_of, x, image, ws), expected, strict=True):
            require_close(found, wanted)
    assert not taken


def test_gradients_and_other_precisions_are_left_to_the_readable_code(taken):
    made = network()
    ws = latents(made, 1).requires_grad_()
    with use_kernels("fast"):
        made(ws).sum().backward()
        assert ws.grad is not None and ws.grad.abs().max() > 0
        with torch.no_grad():
            made(ws, dtype=torch.bfloat16)
            with torch.device("meta"):
                network()(torch.zeros(1, made.num_ws, 8))
    assert not taken
    with torch.no_grad():
        made(ws)
    assert not taken


@torch.inference_mode()
def test_threads_neither_change_a_bit_nor_disturb_each_other():
    made = network()
    ws = latents(made, 2)
    before, images = torch.get_num_threads(), [torch.empty(0)] * 2

    def draw_images(number: int) -> None:
        with torch.inference_mode():
            for _ in range(3):
                images[number] = made(ws[number : number + 1])

    with use_kernels("fast"):
        expected = made(ws)
        try:
            torch.set_num_threads(2)
            threads = [threading.Thread(target=draw_images, args=(n,)) for n in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            torch.set_num_threads(before)
    for found, single in zip(images, expected.split(1), strict=True):
        require_close(found, single)  # torch's own layers may split their sums by threads


@torch.no_grad()
def test_weights_may_lie_in_memory_in_another_order():
    given = network()
    expected = synthesis.synthesize(given, latents(given, 1), "none")
    other = network().to(memory_format=torch.channels_last)
    require_close(synthesis.synthesize(other, latents(given, 1), "none"), expected)
