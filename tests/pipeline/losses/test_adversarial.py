"""The adversarial losses against their formulas."""

import math

import pytest
import torch

from pipeline.losses.adversarial import discriminator_loss, generator_loss


def test_undecided_logits_cost_log_two_each():
    zero = torch.zeros(4, 1)
    assert generator_loss(zero).item() == pytest.approx(math.log(2))
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_they_are_the_logarithms_of_the_probabilities():
    real, fake = torch.tensor([[1.5], [-0.5]]), torch.tensor([[0.3], [-2.0]])
    expected = -torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
    assert discriminator_loss(real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    assert generator_loss(fake).item() == pytest.approx(
        -torch.log(torch.sigmoid(fake)).mean().item(), rel=1e-5
    )


def test_the_generator_still_learns_where_the_discriminator_is_sure():
    """Non-saturating: the gradient at a fake that was found out is one."""
    logit = torch.tensor([[-30.0]], requires_grad=True)
    generator_loss(logit).backward()
    assert logit.grad.item() == pytest.approx(-1.0)
