"""A filter accepts the same identities whatever the batch, and reports the rejected ones."""

import dataclasses
import logging

import pytest
import torch

from pipeline.batch import View
from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.distributions import Uniform
from pipeline.sampling.draws import Draws, with_rows
from pipeline.sampling.filtered import FilteredSampler
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sample_filter import MARGINS, SampleFilter
from pipeline.sampling.sampler import TeacherSampler
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.builders import orbit_prior, smallest_eg3d_settings, tiny_discriminator

NUMBERS = list(range(40, 52))
EG3D = smallest_eg3d_settings(16)


def toy() -> ToyTeacher:
    return ToyTeacher(plane_resolution=16, resolution=16, depth_samples=8, importance_samples=8)


def sampler(filter: SampleFilter | None, teacher=None, **changes):
    cameras = CameraPair(
        reference=orbit_prior(49, radius=Uniform(low=2.6, high=2.8)), novel=orbit_prior(36)
    )
    settings = {
        "cameras": cameras,
        "latents": LatentPrior(truncation=Uniform(low=0.7, high=1.0)),
        "seed": 5,
        **changes,
    }
    plain = TeacherSampler(teacher=teacher or toy(), **settings)
    return plain if filter is None else FilteredSampler(plain, filter)


def median(name: str, teacher=None, **settings) -> float:
    """The value that half of the identities of `NUMBERS` are below."""
    probe = SampleFilter(**{name: [None, None]}, **settings)
    draw = sampler(probe, teacher)
    return probe.measure(draw(NUMBERS).novel)[name].median().item()


@pytest.fixture(scope="module")
def opacity() -> float:
    return median("opacity")


def test_without_limits_a_filter_changes_nothing():
    plain, filtered = sampler(None)(NUMBERS), sampler(SampleFilter())(NUMBERS)
    assert torch.equal(plain.triplane.planes, filtered.triplane.planes)
    assert torch.equal(plain.image, filtered.image)
    assert torch.equal(plain.novel.rendering.image, filtered.novel.rendering.image)


@pytest.mark.parametrize("name", ["opacity", "depth", "relief"])
def test_every_accepted_identity_is_within_the_limits(name):
    low = median(name)
    batch = sampler(SampleFilter(**{name: [low, None]}, attempts=30))(NUMBERS)
    assert SampleFilter(**{name: [low, None]}).measure(batch.novel)[name].min() >= low - 1e-5


def test_the_score_is_the_discriminators_whatever_else_is_in_the_batch():
    teacher = untrained_teacher(EG3D)
    judge = SampleFilter(score=[None, None], discriminator=tiny_discriminator(16, 3, seed=3))
    draw = sampler(judge, teacher)
    together = judge.measure(draw(NUMBERS[:4]).novel)["score"]
    alone = torch.cat([judge.measure(draw([n]).novel)["score"] for n in NUMBERS[:4]])
    assert torch.allclose(together, alone, atol=1e-4)
    assert together.std() > 100 * (together - alone).abs().max()
    lowest = together.median().item()
    batch = sampler(
        SampleFilter(
            score=[lowest, None], discriminator=tiny_discriminator(16, 3, seed=3), attempts=30
        ),
        teacher,
    )(NUMBERS[:4])
    assert judge.measure(batch.novel)["score"].min() >= lowest - 1e-4


@pytest.mark.parametrize("size", [1, 5, 12])
def test_the_identities_do_not_depend_on_the_batch_or_the_rank(opacity, size):
    whole = sampler(SampleFilter(opacity=[opacity, None]))(NUMBERS)
    draw = sampler(SampleFilter(opacity=[opacity, None]))
    order = [*NUMBERS[::2], *NUMBERS[1::2]]  # as two ranks share them
    parts = [draw(order[start : start + size]) for start in range(0, len(order), size)]
    rows = [NUMBERS.index(n) for n in order]
    for name in ("reference", "novel"):
        pictures = torch.cat([getattr(part, name).rendering.image for part in parts])
        assert torch.allclose(
            pictures, getattr(whole, name).rendering.image[rows], atol=1e-5, rtol=0
        )
    assert torch.allclose(
        torch.cat([part.triplane.planes for part in parts]),
        whole.triplane.planes[rows],
        atol=1e-5,
        rtol=0,
    )


def test_kept_draws_show_the_identities_that_were_taken(opacity):
    draw = sampler(SampleFilter(opacity=[opacity, None]))
    draws, batch = draw.draw(NUMBERS), draw(NUMBERS)
    assert max(draws.attempts) > 0
    assert torch.allclose(draw.show(draws).image, batch.image, atol=1e-5)
    assert torch.allclose(draw.planes(NUMBERS).planes, batch.triplane.planes, atol=1e-5)


def test_a_rejected_identity_is_another_one_in_front_of_the_same_camera(opacity):
    plain, filtered = (
        sampler(None).draw(NUMBERS),
        sampler(SampleFilter(opacity=[opacity, None])).draw(NUMBERS),
    )
    rejected = torch.tensor(filtered.attempts) > 0
    assert 0 < rejected.sum() < len(NUMBERS)
    assert torch.equal(filtered.z[~rejected], plain.z[~rejected])
    assert not torch.isclose(filtered.z[rejected], plain.z[rejected]).any()
    assert (filtered.truncation[rejected] != plain.truncation[rejected]).all()
    for name in ("reference", "novel"):
        assert torch.equal(getattr(filtered, name).label(), getattr(plain, name).label())


def test_only_the_rejected_are_drawn_again(opacity, monkeypatch):
    draw = sampler(SampleFilter(opacity=[opacity, None]))
    source, drawn = draw.source.draw, {}

    def noted(samples, identities=None, attempt=0):
        drawn.setdefault(attempt, list(samples))  # rows near the limit are drawn again, alone
        return source(samples, identities, attempt=attempt)

    monkeypatch.setattr(draw.source, "draw", noted)
    taken = draw.draw(NUMBERS).attempts
    assert drawn[0] == NUMBERS
    for attempt in range(1, max(taken) + 1):
        assert drawn[attempt] == [n for n, at in zip(NUMBERS, taken, strict=True) if at >= attempt]


def test_a_row_near_a_limit_is_decided_by_what_it_measures_alone():
    """Otherwise the last digits, which differ between batches, would decide the identity."""
    alone = sampler(SampleFilter(opacity=[None, None]))
    value = alone.filter.measure(alone(NUMBERS[:1]).novel)["opacity"].item()

    def disturbed(view: View) -> dict[str, torch.Tensor]:
        change = 0.0 if len(view.camera) == 1 else -MARGINS["opacity"] / 2
        return {"opacity": SampleFilter.measure(judge.filter, view)["opacity"] + change}

    judge = sampler(SampleFilter(opacity=[value, None]))
    judge.filter.measure = disturbed
    assert judge.draw(NUMBERS).attempts[0] == judge.draw(NUMBERS[:1]).attempts[0] == 0


def test_attempts_end_and_are_counted_by_reason(caplog):
    judge = SampleFilter(opacity=[2.0, None], depth=[None, 10.0], attempts=3)
    with caplog.at_level(logging.WARNING):
        batch = sampler(judge)(NUMBERS)
    assert len(batch) == len(NUMBERS)
    counts = judge.counts
    assert (counts.judged, counts.rejected, counts.taken, counts.exhausted) == (36, 36, 12, 12)
    assert counts.reasons == {"opacity": 36}
    assert counts.shares() == {
        "filter/rejected": 1.0,
        "filter/rejected_opacity": 1.0,
        "filter/rejected_depth": 0.0,
        "filter/exhausted": 1.0,
    }
    assert "rejected 36 of 36 drawn identities (100.0%) by opacity 36" in counts.report()
    assert "sample 40 failed all its attempts" in caplog.text


def test_what_is_not_a_number_is_rejected():
    judge = SampleFilter(relief=[None, None])
    view = sampler(None)(NUMBERS[:1]).novel
    broken = dataclasses.replace(view.rendering, depth=view.rendering.depth * torch.nan)
    assert judge.measure(View(view.camera, broken))["relief"].isnan()
    judge.measure = lambda view: {"relief": torch.tensor([torch.nan])}
    assert sampler(judge).draw([1]).attempts == [judge.attempts - 1]


def test_depth_and_relief_are_what_they_say():
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1), radius=2.7)
    depth = torch.tensor([2.5, 2.6, 2.7, 9.0]).reshape(1, 1, 2, 2)
    opacity = torch.tensor([1.0, 1.0, 1.0, 0.0]).reshape(1, 1, 2, 2)
    picture = torch.zeros(1, 3, 2, 2)
    view = View(camera, Rendering(picture, picture, picture, depth, opacity))
    measured = SampleFilter(opacity=[None, None], depth=[None, None], relief=[None, None]).measure(
        view
    )
    assert measured["opacity"].item() == pytest.approx(0.75)
    assert measured["depth"].item() == pytest.approx(-0.1, abs=1e-5)
    assert measured["relief"].item() == pytest.approx((0.02 / 3) ** 0.5, abs=1e-5)


def test_other_probabilities_have_counts_of_their_own(opacity):
    draw = sampler(SampleFilter(opacity=[opacity, None]))
    held_out = draw.for_scores(9)
    held_out(NUMBERS[:3])
    assert held_out.filter.limits == draw.filter.limits
    assert (held_out.filter.counts.taken, draw.filter.counts.taken) == (3, 0)


@pytest.mark.parametrize(
    "settings, complaint",
    [
        ({"opacity": [0.5, 0.2]}, "nothing is above the one and below the other"),
        ({"opacity": [0.5]}, r"give \[lowest, highest\]"),
        ({"score": [0.0, None]}, "needs the teacher's discriminator"),
        ({"attempts": 0}, "at least once"),
        ({"view": "profile"}, "use novel or reference"),
    ],
)
def test_limits_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        SampleFilter(**settings)


def test_another_teachers_discriminator_is_refused():
    other = tiny_discriminator(16, 4)
    with pytest.raises(ValueError, match="reads 4 channels"):
        sampler(SampleFilter(score=[0.0, None], discriminator=other), untrained_teacher(EG3D))


def test_rows_are_replaced_wherever_a_record_holds_them():
    draw = sampler(None, latents=LatentPrior(conditioning="reference"))
    old, new = draw.draw([1, 2, 3]), draw.draw([7, 8])
    merged = with_rows(old, [2, 0], new)
    assert merged.samples == [8, 2, 7]
    expected = Draws.cat([new[1:], old[1:2], new[:1]])
    assert torch.equal(merged.z, expected.z)
    assert torch.equal(merged.conditioning.label(), expected.conditioning.label())
    assert torch.equal(merged.novel.label(), expected.novel.label())
    assert merged.identities == expected.identities == merged.samples


def test_a_rejected_identity_takes_its_style_mixing_along():
    draw = sampler(None, latents=LatentPrior(mixing=1.0))
    old, new = draw.draw([1, 2, 3]).mixing, draw.draw([7, 8]).mixing
    merged = with_rows(draw.draw([1, 2, 3]), [2, 0], draw.draw([7, 8])).mixing
    assert torch.equal(merged.z, torch.stack([new.z[1], old.z[1], new.z[0]]))
    places = torch.stack([new.crossover[1], old.crossover[1], new.crossover[0]])
    assert torch.equal(merged.crossover, places)
