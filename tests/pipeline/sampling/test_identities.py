"""A fixed set of identities, always the same bits, from ever new cameras."""

import pytest
import torch

from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.distributions import Uniform
from pipeline.sampling.filtered import FilteredSampler, filter_of
from pipeline.sampling.identities import FixedIdentities, Identities
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sample_filter import SampleFilter
from pipeline.sampling.sampler import TeacherSampler
from teachers.untrained import untrained_teacher
from tests.builders import orbit_prior, smallest_eg3d_settings

TEACHER = smallest_eg3d_settings(8, depth_samples=4, importance_samples=4)
SIZE = 4 * (3 * 4 * 8 * 8 + 4 * 8)
"""Bytes of one identity in single precision: planes, and a w of 8 numbers for each of the 4 layers
of a synthesis network for 8x8.
"""


@pytest.fixture(scope="module")
def teacher():
    return untrained_teacher(TEACHER)


def sampler(teacher, identities: Identities | None, filter: SampleFilter | None = None, **changes):
    prior = orbit_prior(40)
    latents = LatentPrior(truncation=Uniform(low=0.7, high=1.0))
    settings = {
        "teacher": teacher,
        "cameras": CameraPair(reference=prior, novel=prior),
        "latents": latents,
        "seed": 5,
        **changes,
    }
    plain = TeacherSampler(**settings)
    filtered = plain if filter is None else FilteredSampler(plain, filter)
    return filtered if identities is None else FixedIdentities(filtered, identities)


def counted(draw: FixedIdentities) -> list[int]:
    """Notes how many identities are synthesised, call by call."""
    calls, imagine = [], draw.base.imagine

    def noted(draws):
        calls.append(len(draws))
        return imagine(draws)

    draw.base.imagine = noted
    return calls


def test_every_round_has_each_identity_once_in_an_order_of_its_own():
    identities = Identities(count=7)
    rounds = [identities.numbers(3, range(start, start + 7)) for start in (0, 7, 14)]
    assert all(sorted(identities) == list(range(7)) for identities in rounds)
    assert rounds[0] != rounds[1] != rounds[2]
    assert identities.numbers(3, [9, 2]) == [rounds[1][2], rounds[0][2]]
    assert Identities(count=7).numbers(4, range(7)) != rounds[0]
    assert Identities(count=7, shuffled=False).numbers(3, range(5, 10)) == [5, 6, 0, 1, 2]


def test_the_same_identities_come_again_before_other_cameras(teacher):
    draw = sampler(teacher, Identities(count=3, shuffled=False))
    first, second = draw([0, 1, 2]), draw([3, 4, 5])
    assert torch.equal(first.triplane.planes, second.triplane.planes)
    assert not torch.isclose(
        first.reference.camera.cam_to_world[:, 0, 3], second.reference.camera.cam_to_world[:, 0, 3]
    ).any()
    assert not torch.equal(first.image, second.image)


def test_identity_i_is_that_of_sample_number_i_without_a_fixed_set(teacher):
    fixed, endless = sampler(teacher, Identities(count=3, shuffled=False)), sampler(teacher, None)
    assert torch.equal(fixed.draw([4]).z, endless.draw([1]).z)
    assert torch.equal(fixed.draw([4]).truncation, endless.draw([1]).truncation)
    assert torch.equal(fixed.draw([4]).novel.label(), endless.draw([4]).novel.label())
    assert torch.allclose(fixed([1]).image, endless([1]).image, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("memory_gb", [0.0, 2.5 * SIZE / 1e9, 1.0])
def test_what_is_kept_changes_no_bit(teacher, half, memory_gb):
    numbers = [0, 1, 2, 3, 9, 5, 14, 2]
    once = sampler(teacher, Identities(count=5, memory_gb=0.0, half=half))(numbers)
    again = sampler(teacher, Identities(count=5, memory_gb=memory_gb, half=half))
    again(numbers[::-1])
    batch = again(numbers)
    assert torch.equal(batch.triplane.planes, once.triplane.planes)
    assert torch.equal(batch.image, once.image)
    split = torch.cat([again(numbers[start : start + 3]).triplane.planes for start in (0, 3, 6)])
    assert torch.equal(split, once.triplane.planes)


def test_half_precision_rounds_planes_and_nothing_else(teacher):
    whole, half = (sampler(teacher, Identities(count=5, half=flag)) for flag in (False, True))
    planes = whole([0, 1]).triplane.planes
    assert torch.equal(half([0, 1]).triplane.planes, planes.half().float())
    assert torch.equal(half([0, 1]).triplane.planes, planes.half().float())
    assert not torch.equal(planes, planes.half().float())


def test_identities_are_made_once_where_they_fit_and_again_where_they_do_not(teacher, caplog):
    full = sampler(teacher, Identities(count=4))
    calls = counted(full)
    for _ in range(3):
        full(range(4))
    assert calls == [1] * 4
    some = sampler(teacher, Identities(count=4, memory_gb=2.5 * SIZE / 1e9, shuffled=False))
    calls = counted(some)
    with caplog.at_level("INFO"):
        some(range(4))
        some(range(4, 8))
    assert calls == [1] * (4 + 2)
    assert "keep 2 of 4 identities" in caplog.text


def test_a_filter_fixes_the_identity_of_each_number(teacher):
    draw = sampler(teacher, None)
    probe = SampleFilter(opacity=[None, None])
    middle = probe.measure(draw(range(6)).novel)["opacity"].median().item()
    filtered = sampler(teacher, None, filter=SampleFilter(opacity=[middle, None], attempts=20))
    fixed = sampler(
        teacher,
        Identities(count=6, shuffled=False),
        filter=SampleFilter(opacity=[middle, None], attempts=20),
    )
    fixed([3, 8])
    batch = fixed(range(6))
    assert torch.equal(fixed.draw(range(6)).z, filtered.draw(range(6)).z)
    assert max(filtered.draw(range(6)).attempts) > 0
    judged = filter_of(fixed).counts.judged
    assert torch.equal(fixed(range(6, 12)).triplane.planes, batch.triplane.planes)
    assert filter_of(fixed).counts.judged == judged


def test_held_out_identities_are_new_ones_and_another_seed_keeps_its_own(teacher):
    draw = sampler(teacher, Identities(count=2))
    planes = draw([0, 1]).triplane.planes
    assert isinstance(draw.for_scores(9), TeacherSampler)
    other = draw.with_seed(6)
    assert not torch.isclose(other([0, 1]).triplane.planes, planes).all()
    assert torch.equal(draw([0, 1]).triplane.planes, planes)


def test_settings_that_make_no_sense_are_refused(teacher):
    with pytest.raises(ValueError, match="at least one identity"):
        Identities(count=0)
    with pytest.raises(ValueError, match="memory_gb is -1"):
        Identities(count=1, memory_gb=-1)
    with pytest.raises(ValueError, match="can't be conditioned by each sample's own camera"):
        sampler(teacher, Identities(count=2), latents=LatentPrior(conditioning="reference"))
