"""Feature matching uses a discriminator that it neither trains, saves, nor needs before a
stage has one.
"""

import pytest
import torch

from pipeline.losses.discriminator_features import DiscriminatorFeatureLoss
from pipeline.losses.image import ImageLoss
from pipeline.losses.weighted_sum import WeightedSum
from teachers.eg3d.discriminator import discriminator_input
from teachers.rendering.rendering import Rendering
from teachers.stylegan.discriminator import Discriminator


def discriminator() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(
        resolution=16, image_channels=6, channel_base=128, channel_max=8, num_mapping_layers=1
    )


def show(rendering: Rendering) -> torch.Tensor:
    return discriminator_input(rendering.image, rendering.image_raw)


def rendering(seed: int) -> Rendering:
    torch.manual_seed(seed)
    image, raw = torch.rand(4, 3, 16, 16), torch.rand(4, 3, 8, 8)
    return Rendering(image, raw, raw, raw[:, :1], raw[:, :1])


def loss_of(network: Discriminator, **settings) -> DiscriminatorFeatureLoss:
    loss = DiscriminatorFeatureLoss(**settings)
    loss.attach(network, show)
    return loss


def test_it_is_the_difference_of_the_blocks_outputs():
    network = discriminator()
    x, y = show(rendering(0)), show(rendering(1))
    differences = []
    for block in (network.b16, network.b8):
        x, y = block(x), block(y)
        differences.append((x - y).abs().mean().item())
    assert loss_of(network)(rendering(0), rendering(1)).item() == pytest.approx(
        sum(differences) / 2, rel=1e-5
    )
    assert loss_of(network, blocks=1)(rendering(0), rendering(1)).item() == pytest.approx(
        differences[0], rel=1e-5
    )
    assert loss_of(network)(rendering(0), rendering(0)).item() == 0


def test_the_logit_is_made_of_these_activations():
    network = discriminator()
    shown, label = show(rendering(0)), torch.randn(4, 25)
    embedding = network.mapping(None, label)
    expected = (network.b4(network.activations(shown)[-1]) * embedding).sum(
        1, keepdim=True
    ) / embedding.shape[1] ** 0.5
    assert torch.allclose(network(shown, label), expected)


def test_the_discriminator_learns_nothing_from_it_and_stays_trainable():
    network = discriminator()
    prediction = rendering(0)
    for picture in (prediction.image, prediction.image_raw):
        picture.requires_grad_()
    loss_of(network)(prediction, rendering(1)).backward()
    assert prediction.image.grad.abs().max() > 0 and prediction.image_raw.grad.abs().max() > 0
    assert all(
        parameter.grad is None and parameter.requires_grad for parameter in network.parameters()
    )


def test_it_sees_the_discriminator_as_it_is_now():
    network = discriminator()
    loss = loss_of(network)
    before = loss(rendering(0), rendering(1)).item()
    with torch.no_grad():
        network.b16.fromrgb.weight.mul_(3)
    assert loss(rendering(0), rendering(1)).item() > 1.5 * before


def test_a_sum_hands_the_discriminator_on_without_owning_it():
    losses = WeightedSum(
        {"image": ImageLoss(), "discriminator_features": DiscriminatorFeatureLoss(weight=0.5)}
    )
    assert (
        losses.needs_discriminator and not WeightedSum({"image": ImageLoss()}).needs_discriminator
    )
    with pytest.raises(ValueError, match="only an adversarial stage"):
        losses.view(rendering(0), rendering(1))
    losses.attach(discriminator(), show)
    assert losses.view(rendering(0), rendering(1)).keys() == {"image", "discriminator_features"}
    assert losses.state_dict() == {} and not list(losses.parameters())


def test_no_blocks_at_all_are_refused():
    with pytest.raises(ValueError, match="blocks is 0: expected 1 or more"):
        DiscriminatorFeatureLoss(blocks=0)
