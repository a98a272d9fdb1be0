"""R1 is the squared gradient at the pictures."""

import pytest
import torch

from pipeline.losses.gradient_penalty import r1_penalty


def test_of_a_linear_discriminator_it_is_the_squared_norm_of_its_weights():
    weights = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    shown = torch.randn(5, 3, 4, 4).requires_grad_()
    logits = (shown * weights).sum((1, 2, 3))[:, None]
    assert r1_penalty(logits, shown).item() == pytest.approx(
        weights.square().sum().item(), rel=1e-5
    )


def test_it_is_differentiable_in_the_discriminator():
    weight = torch.tensor(3.0, requires_grad=True)
    shown = torch.ones(2, 1, 2, 2).requires_grad_()
    r1_penalty((weight * shown).sum((1, 2, 3))[:, None], shown).backward()
    assert weight.grad.item() == pytest.approx(2 * 3.0 * 4)  # d/dw of 4 w²
