"""Fréchet scores: the closed form, the floor, and what they react to."""

import logging
import math

import pytest
import torch

from pipeline.evaluation.metrics.frechet import FrechetScores, Gaussian, frechet_distance


def test_between_diagonal_gaussians_it_is_the_closed_form():
    """|m1 - m2|² + Σ (s1 - s2)² for standard deviations s."""
    one = Gaussian(torch.zeros(3).double(), torch.diag(torch.tensor([1.0, 4.0, 9.0])).double())
    other = Gaussian(
        torch.tensor([1.0, 0.0, 2.0]).double(), torch.diag(torch.tensor([4.0, 4.0, 1.0])).double()
    )
    assert frechet_distance(one, other) == pytest.approx((1 + 4) + (1 + 0 + 4))
    assert frechet_distance(other, one) == pytest.approx(10)


def test_rotating_both_gaussians_changes_nothing():
    random = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=random).double()).Q
    means, roots = (
        torch.randn(2, 4, generator=random).double(),
        torch.randn(2, 4, 4, generator=random).double(),
    )
    plain = [Gaussian(m, r @ r.mT) for m, r in zip(means, roots, strict=True)]
    turned = [Gaussian(rotation @ g.mean, rotation @ g.covariance @ rotation.mT) for g in plain]
    assert frechet_distance(*turned) == pytest.approx(frechet_distance(*plain), rel=1e-6)
    assert frechet_distance(plain[0], plain[0]) == pytest.approx(0.0, abs=1e-5)


def test_a_gaussian_is_fitted_to_its_samples():
    samples = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]])
    fitted = Gaussian.fit(samples)
    assert fitted.mean.tolist() == [1.0, 2.0]
    assert torch.allclose(fitted.covariance, torch.tensor([[4 / 3, 0], [0, 16 / 3]]).double())


def world(count: int, seed: int, variety: float = 0.3) -> torch.Tensor:
    """Smooth pictures around one layout."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 4, 4, generator=random) * variety
    layout = torch.linspace(-0.5, 0.5, 4).expand(3, 4, 4)
    return torch.nn.functional.interpolate(coarse + layout, size=(32, 32), mode="bilinear")


@pytest.fixture(scope="module")
def scores() -> FrechetScores:
    return FrechetScores(world(256, 0), compared=128)


def test_more_of_the_same_world_is_about_as_far_as_the_floor(scores):
    found = scores(world(128, 1))
    for name in ("pixels", "network"):
        assert 0 < scores.floor[name] < 1
        assert found[name] < 1.5 * scores.floor[name]


def test_other_colours_blur_and_sameness_are_farther(scores):
    same = scores(world(128, 1))
    darker = scores(world(128, 1) - 0.5)
    monotone = scores(world(128, 1, variety=0.05))
    noisy = scores(
        world(128, 1)
        + torch.randn(128, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 0.5
    )
    assert darker["pixels"] > 2 * same["pixels"]
    assert monotone["pixels"] > 2 * same["pixels"]
    assert noisy["network"] > 2 * same["network"]


def test_the_diversity_of_the_real_pictures_is_one(scores):
    assert scores(world(256, 0))["diversity"] == pytest.approx(1.0, rel=1e-5)
    assert scores(world(128, 1, variety=0.15))["diversity"] == pytest.approx(0.5, abs=0.1)


def test_few_real_pictures_are_compared_coarsely_with_a_warning_and_too_few_not_at_all(caplog):
    with caplog.at_level(logging.WARNING):
        few = FrechetScores(world(32, 0), compared=16)
    assert "only 32 real images" in caplog.text
    assert few(world(16, 1))["pixels"] < few(world(16, 1) - 1)["pixels"]
    with pytest.raises(ValueError, match="8 real images: "):
        FrechetScores(world(8, 0), compared=4)


@pytest.mark.parametrize("colour", [0.0, 0.1])
def test_real_images_that_are_all_the_same_are_refused(colour):
    with pytest.raises(ValueError, match="8 real images of the reference are all the same"):
        FrechetScores(torch.full((16, 3, 16, 16), colour), compared=16)


def test_what_is_not_finite_is_infinitely_far():
    fitted = Gaussian.fit(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    broken = Gaussian(torch.full((2,), torch.nan).double(), fitted.covariance)
    assert frechet_distance(broken, fitted) == frechet_distance(fitted, broken) == math.inf


def test_one_image_is_not_compared():
    with pytest.raises(ValueError, match="1 image has no covariance"):
        FrechetScores(torch.rand(64, 3, 16, 16) * 2 - 1, compared=1)
