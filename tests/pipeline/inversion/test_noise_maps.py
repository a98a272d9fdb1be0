"""Noise images are found with the latent, on a copy, and stay noise."""

import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.latent_search import LatentSearch
from pipeline.inversion.models import Models
from pipeline.inversion.noise_maps import NoiseMaps, has_noise_maps
from pipeline.inversion.w import W
from teachers.eg3d.teacher import weights_sha256
from teachers.untrained import untrained_teacher
from tests.pipeline.inversion.small_teacher import TINY

NOISY = {**TINY, "has_noise": True, "noise": "const"}


def noisy_teacher(**changes):
    teacher = untrained_teacher({**NOISY, **changes})
    for name, parameter in teacher.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    return teacher


def test_only_noise_that_the_planes_depend_on_counts(tiny):
    assert not has_noise_maps(tiny)
    assert len(NoiseMaps.of(noisy_teacher()).maps) == 5  # 4², 8², 8², 16², 16²
    assert NoiseMaps.of(noisy_teacher(noise="none")).maps == []


def test_white_noise_costs_nothing_and_a_picture_much():
    random = torch.Generator().manual_seed(0)
    white = NoiseMaps(
        [torch.randn(64, 64, generator=random)]
    ).regularizer()  # its coarsest level has but 64 numbers
    smooth = NoiseMaps([torch.linspace(-1.7, 1.7, 64)[:, None].expand(64, 64)]).regularizer()
    assert white < 0.1 and smooth > 20 * white


def test_it_is_brought_back_to_zero_mean_and_unit_deviation():
    one = torch.rand(16, 16) * 3 + 5
    NoiseMaps([one]).normalize()
    assert one.mean().abs() < 1e-5 and (one.square().mean() - 1).abs() < 1e-4


def test_the_teachers_own_noise_stays_and_the_identitys_is_in_the_planes():
    teacher = noisy_teacher()
    before = weights_sha256(teacher.generator)
    camera = orbit_of(teacher.passport, [0.0], [0.0])
    image = teacher.render(teacher.synthesize(teacher.mean_latent()), camera).image
    found = W(
        models=Models(teacher=lambda: teacher),
        search=LatentSearch(steps=3, samples=10),
        progress=False,
    ).find(image, camera)
    assert found.teacher is not teacher and weights_sha256(teacher.generator) == before
    own, changed = (dict(one.named_buffers()) for one in (teacher, found.teacher))
    assert any(
        not torch.equal(own[name], changed[name]) for name in own if name.endswith("noise_const")
    )
    assert not any(buffer.requires_grad for buffer in changed.values())
    assert not torch.equal(
        found.teacher.synthesize(found.ws).planes, teacher.synthesize(found.ws).planes
    )
