"""What surrounds the convolutions, in kernels: values and gradients are the readable ones."""

import math

import pytest
import torch

from teachers.kernels import use_kernels
from teachers.stylegan import fast
from teachers.stylegan.discriminator import Discriminator
from teachers.stylegan.fast import layers
from teachers.stylegan.resampling import _upsample, upsample
from teachers.stylegan.synthesis import SynthesisNetwork


@pytest.fixture(autouse=True)
def small_images_too(monkeypatch) -> None:
    monkeypatch.setattr(fast, "FEWEST_NUMBERS", 0)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return drawn(*shape, seed=seed).contiguous(memory_format=torch.channels_last)


def gradients(function, inputs, *, again: bool = False) -> tuple[torch.Tensor, ...]:
    """The result, and gradients of the inputs; `again`: those of the gradients' squares."""
    leaves = [one.clone().requires_grad_() for one in inputs]
    result = function(*leaves)
    found = torch.autograd.grad(result.sin().sum(), leaves, create_graph=again)
    if again:
        found = torch.autograd.grad(sum(one.square().sum() for one in found), leaves)
    return result.detach(), *found


def assert_close(found, expected, share: float = 1e-5) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= share * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("shape", [(1, 16, 3, 5), (3, 48, 40, 36)])
@pytest.mark.parametrize("has_scale, has_bias", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("clamp", [None, 1.2])
@pytest.mark.parametrize("again", [False, True])
def test_activations_equal_the_readable_ones(shape, has_scale, has_bias, clamp, again):
    inputs = [image(*shape)]
    inputs += [drawn(*shape[:2], seed=1)] if has_scale else []
    inputs += [drawn(shape[1], seed=2)] if has_bias else []

    def apply(function, x, *others):
        rest = list(others)
        scale = rest.pop(0) if has_scale else None
        bias = rest.pop(0) if has_bias else None
        return function(x, scale, bias, leak=0.2, gain=math.sqrt(2), clamp=clamp)

    def exact(*given):
        return apply(layers._activated, *given)

    expected = gradients(exact, [one.double() for one in inputs], again=again)
    found = gradients(lambda *given: apply(layers.activate, *given), inputs, again=again)
    assert_close(found, expected, 1e-4 if again else 2e-5)


@pytest.mark.parametrize("shape", [(1, 16, 1, 1), (2, 48, 5, 7), (3, 16, 40, 3)])
@pytest.mark.parametrize("again", [False, True])
def test_upsampling_and_its_gradient_equal_the_readable_ones(shape, again):
    found = gradients(lambda x: layers.upsample(x, _upsample), [image(*shape)], again=again)
    expected = gradients(_upsample, [image(*shape).double()], again=again)
    assert_close(found, expected)


def test_only_plain_images_with_whole_vectors_of_channels_last_are_covered():
    x = image(2, 16, 4, 4)
    assert not fast.covers(x)  # readable kernels are chosen
    with use_kernels("fast"):
        assert fast.covers(x)
        assert not fast.covers(image(2, 17, 4, 4))
        assert not fast.covers(x.contiguous())
        assert not fast.covers(x.bfloat16())
        with torch.autocast("cpu"):
            assert not fast.covers(x)
    assert torch.equal(upsample(x), _upsample(x))


def test_small_images_are_left_to_pytorch(monkeypatch):
    monkeypatch.setattr(fast, "FEWEST_NUMBERS", 600)
    with use_kernels("fast"):
        assert fast.covers_large(image(3, 16, 4, 4)) != fast.covers_large(image(2, 16, 4, 4))


@pytest.mark.parametrize("noise", ["none", "const"])
def test_a_synthesis_network_has_the_readable_gradients(noise):
    torch.manual_seed(1)
    network = SynthesisNetwork(
        w_dim=8, resolution=32, image_channels=48, channel_base=32 * 32, channel_max=64,
        conv_clamp=1.45,  # at 1.5 a value lies on the clamp, on either side by the processor
    )  # fmt: skip
    ws, results = drawn(3, network.num_ws, 8, seed=2), []
    for choice in ("readable", "fast"):
        given = ws.clone().requires_grad_()
        with use_kernels(choice):
            planes = network(given, noise)
        wanted = [given, *(p for name, p in network.named_parameters() if "noise" not in name)]
        results.append((planes.detach(), *torch.autograd.grad(planes.sin().sum(), wanted)))
    for expected, found in zip(*results, strict=True):
        assert (found - expected).abs().max() < 2e-4 * max(1e-3, float(expected.abs().max()))


def test_a_discriminator_has_the_readable_gradients_and_penalty():
    torch.manual_seed(1)
    network = Discriminator(
        resolution=32, image_channels=4, label_dim=25, channel_base=512, channel_max=64, patch=2,
        num_mapping_layers=2,
    )  # fmt: skip
    shown, label, results = drawn(4, 4, 32, 32, seed=2), drawn(4, 25, seed=3), []
    parameters = [*network.parameters()]
    for choice in ("readable", "fast"):
        given = shown.clone().requires_grad_()
        with use_kernels(choice):
            logits = network(given, label)
            slopes = torch.autograd.grad(logits.sum(), given, create_graph=True)[0]
            penalty = slopes.square().sum()
            loss = logits.exp().sum() + penalty
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
        results.append((logits.detach(), penalty.detach(), slopes.detach(), *found))
    for expected, found in zip(*results, strict=True):
        assert (expected is None) == (found is None)
        if expected is not None:
            assert (found - expected).abs().max() < 1e-4 * max(1e-3, float(expected.abs().max()))


def test_the_number_of_threads_changes_no_bit():
    inputs = [image(3, 32, 50, 50), drawn(3, 32, seed=1), drawn(32, seed=2)]
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(gradients(lambda *given: layers.activate(*given, leak=0.2), inputs))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))
