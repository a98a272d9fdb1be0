"""A sample is the same identity, seen from the same places, whatever it is drawn with."""

import numpy as np
import pytest
import torch

from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.distributions import Fixed, Normal, Uniform
from pipeline.sampling.draws import Draws
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sample_numbers import batch_numbers
from pipeline.sampling.sampler import TeacherSampler
from teachers.eg3d.teacher import EG3DTeacher
from teachers.toy import Spheres, ToyTeacher, closed_form
from teachers.untrained import untrained_teacher
from tests.builders import eg3d_settings, orbit_prior

NUMBERS = [7, 8, 9, 10, 1_000_000_003]


def cameras() -> CameraPair:
    origin = {"pivot": (0.0, 0.0, 0.0)}
    return CameraPair(
        reference=orbit_prior(
            49,
            fov_diagonal_deg=Normal(mean=18.83, deviation=1),
            radius=Normal(mean=2.7, deviation=0.1),
            **origin,
        ),
        novel=orbit_prior(36, **origin),
    )


def tiny_eg3d() -> EG3DTeacher:
    return untrained_teacher(eg3d_settings(16))


def sampler(teacher, **changes) -> TeacherSampler:
    latents = LatentPrior(truncation=Uniform(low=0.6, high=1.0))
    return TeacherSampler(
        **{"teacher": teacher, "cameras": cameras(), "latents": latents, "seed": 5, **changes}
    )


def pictures(batch) -> dict[str, torch.Tensor]:
    views = {
        f"{name}/{key}": value
        for name in ("reference", "novel")
        for key, value in vars(getattr(batch, name).rendering).items()
    }
    return {"image": batch.image, "planes": batch.triplane.planes, **views}


@pytest.mark.parametrize("make", [ToyTeacher, tiny_eg3d])
@pytest.mark.parametrize("background", ["teacher", "random"])
def test_draws_are_bit_equal_and_pictures_equal_to_1e_5_for_any_batch(make, background):
    if make is tiny_eg3d and background == "random":
        pytest.skip("this one has no matte")
    draw = sampler(make(), background=background)
    together, single = draw(NUMBERS), [draw([n]) for n in NUMBERS]
    drawn, alone = draw.draw(NUMBERS), [draw.draw([n]) for n in NUMBERS]
    for name in ("z", "truncation"):
        assert torch.equal(getattr(drawn, name), torch.cat([getattr(one, name) for one in alone]))
    for name in ("reference", "novel"):
        assert torch.equal(
            getattr(drawn, name).label(), torch.cat([getattr(one, name).label() for one in alone])
        )
    for name, value in pictures(together).items():
        assert torch.allclose(
            value, torch.cat([pictures(one)[name] for one in single]), atol=1e-5, rtol=0
        ), name


def test_a_restarted_sampler_draws_the_same_bits():
    first, second = sampler(tiny_eg3d())(NUMBERS), sampler(tiny_eg3d())(NUMBERS)
    assert all(
        torch.equal(pictures(first)[name], pictures(second)[name]) for name in pictures(first)
    )


def test_another_seed_is_another_identity_from_another_place():
    first, second = (sampler(ToyTeacher(), seed=seed).draw(NUMBERS) for seed in (5, 6))
    assert not torch.isclose(first.z, second.z).any()
    assert not torch.isclose(
        first.reference.cam_to_world[:, 0, 3], second.reference.cam_to_world[:, 0, 3]
    ).any()


def test_mixed_identities_are_bit_equal_for_any_batch():
    latents = LatentPrior(truncation=Uniform(low=0.6, high=1.4), mixing=0.5)
    draw = sampler(tiny_eg3d(), latents=latents)
    together, alone = draw.draw(NUMBERS), [draw.draw([n]) for n in NUMBERS]
    joined = Draws.cat(alone)
    assert together.mixing is not None and joined.mixing is not None
    assert torch.equal(together.mixing.z, joined.mixing.z)
    assert torch.equal(together.mixing.crossover, joined.mixing.crossover)
    ws = draw.map_latents(together)
    assert torch.allclose(ws, torch.cat([draw.map_latents(one) for one in alone]), atol=1e-5)
    assert torch.allclose(ws[1:3], draw.map_latents(together[1:3]), atol=1e-5)


def test_later_layers_of_a_mixed_identity_are_the_second_latents():
    teacher = tiny_eg3d()
    draw = sampler(teacher, latents=LatentPrior(mixing=1.0))
    draws = draw.draw(range(64))
    first, second = teacher.map_latents(draws.z), teacher.map_latents(draws.mixing.z)
    ws = draw.map_latents(draws)
    is_first, is_second = (ws == first).all(-1), (ws == second).all(-1)
    assert (is_first ^ is_second).all()
    layers = ws.shape[1]
    changes = is_second.int().argmax(1)
    assert (is_second == (torch.arange(layers) >= changes[:, None])).all()
    assert set(changes.tolist()) == set(range(1, layers))


def test_a_share_is_mixed_and_the_others_are_who_they_were():
    teacher, numbers = tiny_eg3d(), range(200)
    mixed = sampler(teacher, latents=LatentPrior(mixing=0.25))
    plain = sampler(teacher, latents=LatentPrior())
    draws = mixed.draw(numbers)
    is_mixed = draws.mixing.crossover < 1
    assert 0.15 < is_mixed.float().mean() < 0.35
    assert plain.draw(numbers).mixing is None
    same = (mixed.map_latents(draws) == plain.map_latents(plain.draw(numbers))).flatten(1).all(1)
    assert torch.equal(same, ~is_mixed)


def test_both_latents_are_conditioned_and_truncated_alike():
    teacher = tiny_eg3d()
    near = orbit_prior(16, pivot=(0.0, 0.0, 0.0))
    prior = LatentPrior(truncation=Fixed(value=1.3), conditioning=near, mixing=1.0)
    draw = sampler(teacher, latents=prior)
    draws = draw.draw(range(8))
    keeps = draws.mixing.first_layers(teacher.mean_latent().shape[-2])[:, :, None]
    first, second = (teacher.map_latents(z, draws.conditioning) for z in (draws.z, draws.mixing.z))
    mean = teacher.mean_latent()
    wanted = mean + 1.3 * (torch.where(keeps, first, second) - mean)
    assert torch.allclose(draw.map_latents(draws), wanted, atol=1e-6)
    assert not torch.allclose(teacher.map_latents(draws.mixing.z), second, atol=1e-3)


def test_the_mixing_is_of_the_identity_the_attempt_and_the_seed():
    teacher = tiny_eg3d()
    draw = sampler(teacher, latents=LatentPrior(mixing=1.0))
    own = draw.draw([3, 4, 5]).mixing
    others = (
        draw.draw([3, 4, 5], attempt=1).mixing,
        draw.draw([3, 4, 5], [13, 14, 15]).mixing,
        draw.with_seed(6).draw([3, 4, 5]).mixing,
    )
    for other in others:
        assert not torch.isclose(own.z, other.z).all(1).any()
        assert not torch.isclose(own.crossover, other.crossover).any()
    same = draw.draw([13, 14, 15], [3, 4, 5]).mixing
    assert torch.equal(own.z, same.z) and torch.equal(own.crossover, same.crossover)


def test_a_teacher_with_one_style_for_all_layers_cannot_mix():
    with pytest.raises(ValueError, match=r"'spheres' has one for all of them: use .*mixing=0"):
        sampler(ToyTeacher(), latents=LatentPrior(mixing=0.5))(NUMBERS[:2])


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_beyond_all_identities_is_refused(share):
    with pytest.raises(ValueError, match="give the share of mixed identities, 0 to 1"):
        LatentPrior(mixing=share)


def test_both_views_show_the_identity_of_the_planes():
    teacher = ToyTeacher(
        plane_resolution=64, depth_samples=64, importance_samples=64, sharpness=3000.0
    )
    draw = sampler(teacher, latents=LatentPrior())
    batch, ws = draw(NUMBERS), teacher.map_latents(draw.draw(NUMBERS).z)
    for view in (batch.reference, batch.novel):
        expected = closed_form(Spheres.from_latents(ws), view.camera.rays(32), 60.0)
        solid = expected.opacity > 0.999
        error = (view.rendering.depth.flatten(1) - expected.depth)[solid].abs()
        assert solid.float().mean() > 0.1
        assert error.median() < 0.004


def test_the_teacher_stays_out_of_the_graph_but_its_samples_may_enter_one():
    batch = sampler(tiny_eg3d())(NUMBERS[:1])
    assert not batch.triplane.planes.requires_grad
    assert not batch.image.is_inference()


def test_a_random_background_is_plain_and_changes_only_what_the_matte_leaves_free():
    teacher = ToyTeacher()
    plain, coloured = sampler(teacher)(NUMBERS), sampler(teacher, background="random")(NUMBERS)
    empty = plain.reference.rendering.opacity.expand(-1, 3, -1, -1) < 1e-6
    full = plain.reference.rendering.opacity.expand(-1, 3, -1, -1) > 0.9999
    assert torch.allclose(plain.image[full], coloured.image[full], atol=1e-3)
    for before, after, free in zip(plain.image, coloured.image, empty, strict=True):
        assert torch.allclose(before[free], torch.ones(()), atol=1e-4)
        assert all(colour[mask].std() < 1e-4 for colour, mask in zip(after, free, strict=True))
    assert coloured.image[:, :, 0, 0].std() > 0.1


def test_a_random_background_needs_a_matte():
    with pytest.raises(ValueError, match="background=random needs"):
        sampler(tiny_eg3d(), background="random")


def test_the_conditioning_camera_follows_its_distribution():
    reference = sampler(ToyTeacher()).draw([1]).reference
    assert LatentPrior().draw_conditioning(0, [1], reference) is None
    assert LatentPrior(conditioning="reference").draw_conditioning(0, [1], reference) is reference
    near = orbit_prior(16, pitch_deg=Fixed(value=0))
    drawn = LatentPrior(conditioning=near).draw_conditioning(0, range(50), reference)
    yaw = torch.rad2deg(torch.atan2(drawn.cam_to_world[:, 0, 3], drawn.cam_to_world[:, 2, 3]))
    assert 10 < yaw.abs().max() <= 16
    with pytest.raises(ValueError, match="conditioning is 'profile'"):
        LatentPrior(conditioning="profile")


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_a_step_without_gap_or_repeat(world_size):
    steps = [
        [
            batch_numbers(step, batch_size=8, rank=r, world_size=world_size, first=100)
            for r in range(world_size)
        ]
        for step in range(3)
    ]
    assert sorted(n for step in steps for rank in step for n in rank) == list(range(100, 124))
    assert all(
        n % world_size == rank
        for step in steps
        for rank, numbers in enumerate(step)
        for n in numbers
    )
    assert {len(numbers) for step in steps for numbers in step} == {8 // world_size}


def test_a_batch_that_ranks_cannot_share_is_refused():
    with pytest.raises(ValueError, match="cannot be shared evenly by 3"):
        batch_numbers(0, batch_size=8, world_size=3)


def test_numbers_far_apart_are_different_identities():
    z = sampler(ToyTeacher()).draw([0, 2**32, 2**62]).z
    assert len(np.unique(z.numpy(), axis=0)) == 3
