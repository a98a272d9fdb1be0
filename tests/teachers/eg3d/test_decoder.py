"""Plane features to colours and density logits."""

import math

import pytest
import torch
from torch.nn import functional as F

from teachers.eg3d.decoder import Decoder, EllipsoidPrior


@pytest.fixture
def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder(plane_channels=4, hidden_channels=6, feature_channels=5)


FEATURES, POINTS = (
    torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(1)),
    torch.rand(2, 7, 3),
)


def test_it_is_linear_softplus_linear(decoder):
    first, last = decoder.net[0], decoder.net[2]
    hidden = F.softplus(F.linear(FEATURES, first.weight / 2, first.bias))
    out = F.linear(hidden, last.weight / math.sqrt(6), last.bias)
    colors, logit = decoder(FEATURES, POINTS)
    assert torch.allclose(logit, out[..., :1], atol=1e-6)
    assert torch.allclose(colors, torch.sigmoid(out[..., 1:]) * 1.002 - 0.001, atol=1e-6)


def test_colours_reach_black_and_white():
    colors = Decoder.colors(torch.tensor([-1000.0, 0.0, 1000.0]))
    assert colors.tolist() == pytest.approx([-0.001, 0.5, 1.001])


def test_the_density_alone_is_that_of_the_whole(decoder):
    assert torch.allclose(
        decoder.density_logit(FEATURES, POINTS), decoder(FEATURES, POINTS)[1], atol=1e-6
    )


def test_it_does_not_know_where_a_point_is_unless_it_has_a_prior(decoder):
    assert torch.equal(decoder(FEATURES, POINTS)[1], decoder(FEATURES, POINTS + 1)[1])


def test_a_prior_is_added_to_the_gained_logit():
    prior = EllipsoidPrior([[0.0, 0.0, 0.0, 0.2, 0.2, 0.2]])
    torch.manual_seed(0)
    plain = Decoder(plane_channels=4)
    torch.manual_seed(0)
    helped = Decoder(plane_channels=4, prior=prior, logit_gain=2.0)
    expected = 2 * plain(FEATURES, POINTS)[1] + prior(POINTS)
    assert torch.allclose(helped(FEATURES, POINTS)[1], expected, atol=1e-6)
    assert torch.allclose(helped.density_logit(FEATURES, POINTS), expected, atol=1e-5)


def test_the_prior_is_zero_on_its_surface_positive_inside_and_limited():
    prior = EllipsoidPrior([[0.1, 0.0, 0.0, 0.2, 0.4, 0.1]], slope=5.0, low=-5.0, high=2.0)
    points = torch.tensor(
        [[[0.3, 0.0, 0.0], [0.1, 0.4, 0.0], [0.1, 0.0, 0.09], [0.1, 0.0, 0.0], [3.0, 0.0, 0.0]]]
    )
    on, top, inside, middle, far = prior(points).flatten().tolist()
    assert on == pytest.approx(0.0, abs=1e-4)
    assert top == pytest.approx(0.0, abs=1e-4)
    assert inside == pytest.approx(0.5, abs=1e-3)
    assert (middle, far) == (2.0, -5.0)


def test_in_a_solid_the_logit_rises_from_its_surface_to_its_centre_and_outside_nothing_changes():
    soft, solid = [0.0, 0.0, 0.0, 0.2, 0.2, 0.2], [0.0, 0.0, 0.0, 0.1, 0.1, 0.2]
    prior = EllipsoidPrior([soft], [solid], solid_slope=50.0)
    points = torch.tensor(
        [[[0.0, 0.0, 0.0], [0.05, 0.0, 0.0], [0.1, 0.0, 0.0], [0.15, 0.0, 0.0], [0.0, 0.0, 0.19]]]
    )
    added = (prior(points) - EllipsoidPrior([soft])(points)).flatten().tolist()
    assert added == pytest.approx([50.0, 25.0, 0.0, 0.0, 2.5], abs=1e-3)
    assert not prior.state_dict()


def test_of_several_ellipsoids_the_innermost_counts_and_none_is_a_parameter():
    one, other = [0.0, 0.0, 0.0, 0.2, 0.2, 0.2], [0.0, 0.5, 0.0, 0.1, 0.1, 0.1]
    points = torch.rand(1, 50, 3) - 0.5
    both, first, second = (EllipsoidPrior(rows)(points) for rows in ([one, other], [one], [other]))
    assert torch.equal(both, torch.maximum(first, second))
    assert not EllipsoidPrior([one]).state_dict()
