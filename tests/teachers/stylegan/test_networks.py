"""Mapping, synthesis and discriminator as networks: layers shared, statistics, sizes."""

import math

import pytest
import torch
from torch.nn import functional as F

from teachers.stylegan.discriminator import Discriminator, minibatch_deviation
from teachers.stylegan.linear import EqualizedLinear, normalize_second_moment
from teachers.stylegan.mapping import MappingNetwork
from teachers.stylegan.resampling import upsample
from teachers.stylegan.synthesis import SynthesisNetwork


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_a_linear_layer_scales_its_weights_when_used_not_when_stored():
    layer = EqualizedLinear(64, 8, learning_rate=0.01, bias=0.5)
    assert layer.weight.std().item() == pytest.approx(100, rel=0.1)
    assert torch.allclose(layer.bias, torch.full((8,), 50.0))
    x = torch.randn(5, 64)
    assert torch.allclose(
        layer(x), F.linear(x, layer.weight * 0.01 / 8, torch.full((8,), 0.5)), atol=1e-6
    )


def test_mapping_normalises_latent_and_label_each_and_joins_them():
    mapping = MappingNetwork(z_dim=6, label_dim=25, w_dim=8, num_layers=1)
    z, label = torch.randn(3, 6), torch.randn(3, 25)
    assert torch.allclose(mapping(z * 7, label), mapping(z, label), atol=1e-5)
    embedded = F.linear(label, mapping.embed.weight / 5, mapping.embed.bias)
    joined = torch.cat([normalize_second_moment(z), normalize_second_moment(embedded)], 1)
    expected = F.leaky_relu(
        F.linear(joined, mapping.fc0.weight * 0.01 / math.sqrt(14), mapping.fc0.bias * 0.01), 0.2
    ) * math.sqrt(2)
    assert torch.allclose(mapping(z, label), expected, atol=1e-6)


def test_a_conditional_mapping_asks_for_its_label():
    with pytest.raises(ValueError, match="25-number camera labels"):
        MappingNetwork(z_dim=6, label_dim=25, w_dim=8, num_layers=1)(torch.randn(1, 6))


def test_the_average_latent_follows_a_share_of_the_way():
    mapping = MappingNetwork(z_dim=6, label_dim=0, w_dim=8, num_layers=1)
    mapping.track(torch.ones(4, 8), decay=0.9)
    mapping.track(torch.ones(4, 8), decay=0.9)
    assert torch.allclose(mapping.w_avg, torch.full((8,), 0.19))


def test_synthesis_takes_one_latent_per_convolution_and_one_for_the_last_picture():
    network = SynthesisNetwork(
        w_dim=4, resolution=16, image_channels=3, channel_base=64, channel_max=8
    )
    assert network.num_ws == 1 + 2 + 2 + 1
    assert network(torch.randn(2, 6, 4)).shape == (2, 3, 16, 16)
    ws = torch.randn(1, 6, 4)
    for layer in range(6):
        changed = ws.clone()
        changed[:, layer] += 1
        assert not torch.equal(network(changed), network(ws)), layer


def test_each_block_adds_its_picture_to_the_doubled_one_before():
    network = SynthesisNetwork(
        w_dim=4, resolution=8, image_channels=2, channel_base=64, channel_max=8
    )
    ws = torch.randn(2, 4, 4)
    _, small = network.b4(None, None, ws[:, :2])
    network.b8.torgb.weight.data.zero_()
    assert torch.allclose(network(ws), upsample(small), atol=1e-6)


def test_a_blocks_picture_shares_the_latent_of_the_next_blocks_first_convolution():
    network = SynthesisNetwork(
        w_dim=4, resolution=8, image_channels=2, channel_base=64, channel_max=8
    )
    ws, other = torch.randn(1, 4, 4), torch.randn(1, 4)
    changed = ws.clone()
    changed[:, 1] = other
    network.b8.conv0.weight.data.zero_()  # what is left of latent 1 is b4's picture
    assert not torch.allclose(network(ws), network(changed))


def test_statistics_are_taken_among_every_other_picture():
    """Groups of two of four pictures: 0 with 2, 1 with 3."""
    x = torch.tensor([0.0, 5.0, 2.0, 5.0]).reshape(4, 1, 1, 1).expand(4, 3, 4, 4)
    found = minibatch_deviation(x, group=2)
    assert found.shape == (4, 4, 4, 4)
    assert torch.equal(found[:, :3], x)
    assert found[:, 3, 0, 0].tolist() == pytest.approx([1.0, 1e-4, 1.0, 1e-4], abs=1e-6)


def test_statistics_need_whole_groups_but_take_a_batch_smaller_than_one():
    assert minibatch_deviation(torch.zeros(2, 1, 4, 4), group=4).shape == (2, 2, 4, 4)
    with pytest.raises(ValueError, match="6 images"):
        minibatch_deviation(torch.zeros(6, 1, 4, 4), group=4)


def test_a_discriminator_gives_one_logit_per_picture_that_depends_on_its_label():
    network = Discriminator(
        resolution=16,
        image_channels=4,
        channel_base=64,
        channel_max=8,
        num_mapping_layers=2,
        conv_clamp=None,
    )
    pictures, labels = torch.randn(4, 4, 16, 16), torch.randn(4, 25)
    logits = network(pictures, labels)
    assert logits.shape == (4, 1)
    assert not torch.allclose(logits, network(pictures, labels.roll(1, 0)))
    assert torch.allclose(network(pictures, labels, torch.bfloat16), logits, atol=0.1)


def test_a_discriminator_of_patches_sees_every_pixel_at_half_the_resolution():
    patches = Discriminator(
        resolution=16,
        image_channels=3,
        channel_base=64,
        channel_max=8,
        num_mapping_layers=1,
        patch=2,
    )
    assert patches.resolutions == [8]
    image = torch.randn(4, 3, 16, 16, requires_grad=True)
    logits = patches(image, torch.randn(4, 25))
    logits.sum().backward()
    assert (image.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize("resolution, patch", [(96, 1), (48, 2), (96, 2), (8, 2), (4, 1), (17, 2)])
def test_a_discriminator_that_cannot_halve_down_to_4_is_refused(resolution, patch):
    with pytest.raises(ValueError, match="patch times a power of two from 8 on"):
        Discriminator(resolution=resolution, image_channels=3, patch=patch)


def test_an_unconditional_discriminator_needs_no_label():
    network = Discriminator(
        resolution=8, image_channels=3, label_dim=0, channel_base=64, channel_max=8
    )
    assert network(torch.randn(4, 3, 8, 8)).shape == (4, 1)


def test_the_published_discriminator_has_31_359_744_parameters():
    with torch.device("meta"):
        network = Discriminator(resolution=512, image_channels=6)
    assert sum(parameter.numel() for parameter in network.parameters()) == 31_359_744
