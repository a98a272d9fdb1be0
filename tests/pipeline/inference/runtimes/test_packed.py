"""Packed convolutions compute what torch's do; an encoder's packed twin follows its weights."""

import pytest
import torch
from torch import nn

from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.runtimes.packed import PackedConv2d, PackedEncoder, with_packed_weights
from students.two_stage import TwoStageEncoder
from teachers.kernels import use_kernels
from teachers.toy import ToyTeacher
from tests.builders import student_arguments, tiny_lifter


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def within(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 2e-5) -> bool:
    return bool((found - expected).abs().max() <= tolerance * expected.std())


@pytest.mark.parametrize(
    ("channels", "outs", "side", "options"),
    [
        (5, 16, 32, {"kernel_size": 7, "stride": 2, "padding": 3}),
        (16, 24, 8, {"kernel_size": 1}),
        (8, 16, 20, {"kernel_size": 3, "padding": 4, "dilation": 4}),
        (32, 32, 12, {"kernel_size": 3, "padding": 1, "groups": 32}),
        (16, 16, 16, {"kernel_size": 4, "stride": 4, "bias": False}),
        (32, 64, 64, {"kernel_size": 3, "padding": 1}),
        (80, 128, 64, {"kernel_size": 3, "padding": 1, "bias": False}),
        (16, 64, 64, {"kernel_size": 3, "padding": 2, "dilation": 2}),
        (16, 64, 80, {"kernel_size": 3, "padding": 4, "dilation": 4}),
    ],
)
@torch.no_grad()
def test_a_packed_convolution_computes_what_torch_computes(channels, outs, side, options):
    convolution = nn.Conv2d(channels, outs, **options)
    features = torch.randn(1, channels, side, side)
    packed = PackedConv2d(convolution)
    assert within(packed(features), convolution(features))
    assert within(packed(features), convolution(features)), "a second call"
    several = torch.randn(3, channels, side, side)
    assert within(packed(several), convolution(several)), "a batch"


@pytest.mark.parametrize("dilation", [1, 2, 4])
@torch.no_grad()
def test_large_convolutions_use_minimal_filtering(dilation):
    packed = PackedConv2d(nn.Conv2d(64, 64, 3, padding=dilation, dilation=dilation))
    packed(torch.randn(1, 64, 32, 32))
    assert packed._transformed is None
    packed(torch.randn(1, 64, 64, 64))
    assert packed._transformed is not None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mixing": "convolution"},
        {"detail_input": "layer2", "detail_strides": [1]},
        {"backbone": "resnet34", "canonical_upsamplings": 1, "canonical_patch_stride": 2},
    ],
)
def test_a_packed_encoder_computes_the_readable_ones_planes(changes):
    encoder = TwoStageEncoder(**student_arguments(**changes)).eval()
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    packed = PackedEncoder(encoder)
    with torch.no_grad():
        expected = encoder(image)
    assert within(packed(image), expected)
    assert packed(image).is_contiguous() and not packed(image).requires_grad


def test_changed_weights_are_packed_again():
    encoder = TwoStageEncoder(**student_arguments()).eval()
    packed, image = PackedEncoder(encoder), torch.rand(1, 3, 32, 32)
    packed(image)
    with torch.no_grad():
        encoder.backbone.stem.weight.mul_(-1)
        expected = encoder(image)
    assert within(packed(image), expected)


@torch.inference_mode()
def test_weights_made_in_inference_mode_have_no_versions():
    encoder = TwoStageEncoder(**student_arguments()).eval()
    image = torch.rand(1, 3, 32, 32)
    assert within(PackedEncoder(encoder)(image), encoder(image))


def test_an_encoder_stays_as_it_is():
    encoder = TwoStageEncoder(**student_arguments())
    before = [type(module) for module in encoder.modules()]
    twin = with_packed_weights(encoder)
    assert [type(module) for module in encoder.modules()] == before
    assert any(isinstance(module, PackedConv2d) for module in twin.modules())
    assert not any(isinstance(module, nn.Conv2d) for module in twin.modules())


def test_kernels_decide_and_readable_ones_are_the_encoder_bit_by_bit():
    lifter = tiny_lifter(ToyTeacher(resolution=16)).eval()
    reconstructor, image = Reconstructor(lifter), torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        expected = lifter.lift(image).planes
    with use_kernels("fast"):
        fast = reconstructor.lift(image).triplane.planes
    with use_kernels("readable"):
        assert torch.equal(reconstructor.lift(image).triplane.planes, expected)
    assert within(fast, expected) and fast.shape == expected.shape
