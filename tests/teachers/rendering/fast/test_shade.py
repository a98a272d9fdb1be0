"""Colours and logits of the kernel at points equal those of look-up and decoder."""

import pytest
import torch

from teachers.eg3d.decoder import Decoder, EllipsoidPrior
from teachers.kernels import use_kernels
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.renderer import TriplaneField
from teachers.rendering.triplane import EG3D_AXES, ORTHOGONAL_AXES, Triplane

HEAD = EllipsoidPrior([[0.0, 0.0, 0.0, 0.2, 0.25, 0.2]], [[0.0, 0.0, 0.0, 0.1, 0.1, 0.1]])


def field(channels: int, hidden: int, features: int, axes=EG3D_AXES, **settings) -> TriplaneField:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        decoder = Decoder(
            plane_channels=channels,
            hidden_channels=hidden,
            feature_channels=features,
            density_activation=ShiftedSoftplus(20.0),
            **settings,
        ).requires_grad_(False)
        for parameter in decoder.parameters():
            parameter.copy_(torch.randn(parameter.shape))
        return TriplaneField(Triplane(torch.randn(2, 3, channels, 32, 32) * 3, axes), decoder)


FIELDS = {
    "eg3d": field(32, 64, 32),
    "puppets": field(16, 32, 3, ORTHOGONAL_AXES, prior=HEAD, logit_gain=2.0),
    "odd features": field(48, 16, 17),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("count", [0, 1, 5000])
def test_colours_and_logits_are_those_of_the_readable_code(name, count):
    points = torch.rand(2, count, 3, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.7
    points[:, :1] = 5.0  # outside
    results = []
    for choice in ("readable", "fast"):
        with use_kernels(choice):
            results.append((*FIELDS[name](points), FIELDS[name].density_logit(points)))
    (colors, logits, alone), (fast_colors, fast_logits, fast_alone) = results
    torch.testing.assert_close(fast_colors, colors, atol=2e-5, rtol=0)
    torch.testing.assert_close(fast_logits, logits, atol=2e-4, rtol=0)
    torch.testing.assert_close(fast_alone, alone, atol=2e-4, rtol=0)


def test_a_point_that_is_no_number_has_no_density_and_spoils_no_other():
    points = torch.zeros(2, 30, 3)
    points[0, 7, 1] = torch.nan
    with use_kernels("fast"):
        colors, logits = FIELDS["eg3d"](points)
    assert logits[0, 7].isnan().all() and colors[0, 7].isnan().all()
    assert logits.isnan().sum() == 1 and colors.isnan().sum() == 32


def test_gradients_flow_where_planes_need_them():
    template = FIELDS["eg3d"]
    planes = template.triplane.planes.clone().requires_grad_()
    with use_kernels("fast"):
        colors, _ = TriplaneField(Triplane(planes), template.decoder)(torch.zeros(2, 4, 3))
    (gradient,) = torch.autograd.grad(colors.sum(), planes)
    assert gradient.abs().max() > 0


def test_autocast_leaves_the_kernel_its_float32():
    points = torch.rand(2, 40, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    with use_kernels("fast"):
        colors, logits = FIELDS["eg3d"](points)
        with torch.autocast("cpu", torch.bfloat16):
            again, logits_again = FIELDS["eg3d"](points)
    assert torch.equal(again, colors) and torch.equal(logits_again, logits)
