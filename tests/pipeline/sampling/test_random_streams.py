"""The same numbers for a sample wherever it is drawn; numbers that look random wherever they are
compared.
"""

import hashlib

import numpy as np
import pytest
import torch

from pipeline.sampling.random_streams import hashed_uniforms, normals, stream

SAMPLES = torch.tensor([0, 1, 2, 3, 1_000_000_000, 2**40 + 5])

GOLDEN_NORMALS = [0.775799174549291, 0.35848510266963823]
GOLDEN_HASH = "1e138a4020541922"


def uniforms(samples, **changes):
    return hashed_uniforms(
        **{"seed": 3, "samples": samples, "view": 0, "rays": 50, "values": 12, **changes}
    )


def test_host_draws_are_the_same_for_any_batch():
    together = normals(7, [4, 5, 6], "latent", 64)
    assert torch.equal(together, torch.cat([normals(7, [n], "latent", 64) for n in (4, 5, 6)]))
    assert torch.equal(normals(7, [6, 4], "latent", 64), together[[2, 0]])


def test_host_draws_differ_by_seed_sample_and_purpose():
    draws = [
        normals(*key, 8)
        for key in [(7, [4], "latent"), (8, [4], "latent"), (7, [5], "latent"), (7, [4], "camera")]
    ]
    assert all(not torch.isclose(a, b).any() for i, a in enumerate(draws) for b in draws[:i])


def test_host_draws_never_change_between_versions():
    assert stream(0, 1, "latent").standard_normal(2).tolist() == pytest.approx(
        GOLDEN_NORMALS, abs=0
    )


def test_neighbouring_samples_share_no_host_numbers():
    long = [stream(1, n, "latent").random(4096) for n in range(4)]
    assert len(np.unique(np.concatenate(long))) == 4 * 4096


@pytest.mark.parametrize("seed, sample", [(-1, 0), (0, -1), (2**63, 0)])
def test_numbers_out_of_range_are_refused(seed, sample):
    with pytest.raises(ValueError, match="must lie in"):
        stream(seed, sample, "latent")


def test_hashed_numbers_are_the_same_for_any_batch_and_any_range():
    together = uniforms(SAMPLES)
    assert torch.equal(
        together, torch.cat([uniforms(SAMPLES[i : i + 1]) for i in range(len(SAMPLES))])
    )
    assert torch.equal(together[:, :, 4:], uniforms(SAMPLES, values=8, first_value=4))
    assert torch.equal(together[:, :10], uniforms(SAMPLES, rays=10))


def test_hashed_numbers_never_change_between_versions_or_devices():
    bits = (uniforms(SAMPLES) * 2**24).to(torch.int32).numpy().tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == GOLDEN_HASH


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"seed": 3 + 2**32}, {"view": 1}, {"samples": SAMPLES + 2**32}]
)
def test_hashed_numbers_differ_by_seed_view_and_the_high_words(change):
    first, second = (
        uniforms(SAMPLES).flatten(),
        uniforms(**{"samples": SAMPLES, **change}).flatten(),
    )
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 4 / len(first) ** 0.5
    assert (first == second).float().mean() < 0.01


def test_hashed_numbers_are_uniform():
    numbers = hashed_uniforms(0, torch.arange(40), view=1, rays=256, values=24)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = torch.histc(numbers, 100, 0, 1)
    expected = numbers.numel() / 100
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert 45 < chi_squared < 165  # 99 degrees of freedom: both ends are beyond one in ten thousand
    ordered = numbers.flatten().sort().values
    gap = (ordered - (torch.arange(len(ordered)) + 0.5) / len(ordered)).abs().max()
    assert gap < 1.95 / len(ordered) ** 0.5  # Kolmogorov-Smirnov at one in a thousand


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("step", [1, 2, 16])
def test_neighbours_are_not_correlated(axis, step):
    numbers = hashed_uniforms(0, torch.arange(32), view=0, rays=128, values=32).movedim(axis, 0)
    pairs = torch.stack([numbers[:-step].flatten(), numbers[step:].flatten()])
    assert abs(torch.corrcoef(pairs)[0, 1]) < 4 / pairs.shape[1] ** 0.5


def test_hashed_bits_are_fair_and_independent():
    words = (
        (hashed_uniforms(5, torch.arange(64), view=0, rays=64, values=16) * 2**24).long().flatten()
    )
    bits = ((words[:, None] >> torch.arange(24)) & 1).float()
    bound = 4.5 / len(bits) ** 0.5
    assert (bits.mean(0) - 0.5).abs().max() < bound / 2
    correlations = torch.corrcoef(bits.T) - torch.eye(24)
    assert correlations.abs().max() < bound
