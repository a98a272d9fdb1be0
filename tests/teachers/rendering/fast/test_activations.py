"""The kernels' softplus equals torch's, with its first and second derivative."""

import pytest
import torch
from torch.nn import functional as F

from teachers.rendering.fast import activations


def derivatives(function, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x = x.clone().requires_grad_()
    y = function(x)
    (slope,) = torch.autograd.grad((y * y.detach().cos()).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.square().sum(), x)
    plain = torch.autograd.grad((function(x) * y.detach().cos()).sum(), x)[0]
    return y.detach(), slope.detach(), curvature, plain


def test_value_slope_and_curvature_are_torchs():
    x = torch.linspace(-40, 40, 160_010).view(1, 160_010)
    for got, expected in zip(
        derivatives(activations.softplus, x), derivatives(F.softplus, x), strict=True
    ):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "x",
    [torch.zeros(16).double(), torch.zeros(32, 16).mT, torch.zeros(16).to("meta")],
    ids=["double", "transposed", "another device"],
)
def test_what_the_kernel_does_not_cover_is_told(x):
    assert not activations.covers(x)
    assert activations.covers(torch.zeros(3, 5))
