"""An evaluation draws the teacher's identities from the distributions of the training."""

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.build.evaluation import Evaluation
from pipeline.evaluation.suites.held_out_teacher_suite import FIRST_HELD_OUT

TOY = [
    "teacher=toy",
    "teacher.plane_resolution=16",
    "teacher.resolution=16",
    "teacher.depth_samples=8",
    "teacher.importance_samples=8",
    "suite=teacher",
    "methods=[]",
    "identities=6",
    "suite.views=2",
    "device=cpu",
]


def evaluation(*settings: str) -> Evaluation:
    return Evaluation(compose("evaluate", *TOY, *settings))


def given(*settings: str) -> torch.Tensor:
    """The pictures that the suite gives to methods."""
    return torch.stack([item.image for item in evaluation(*settings).suite.items()])


@pytest.fixture(scope="module")
def plain() -> torch.Tensor:
    return given()


def test_the_background_of_the_sampler_is_behind_the_given_pictures(plain):
    changed = given("sampler.background=random")
    assert not torch.allclose(changed[:, :, 0, 0], plain[:, :, 0, 0], atol=1e-2)


def test_the_filter_of_the_sampler_chooses_the_identities(plain):
    limits = ["sampler=filtered", "sampler.filter.depth=null", "sampler.filter.relief=null"]
    none = given("sampler=truncated")
    all_rejected = given(*limits, "sampler.filter.opacity=[2.0,null]", "sampler.filter.attempts=2")
    assert not torch.isclose(none, all_rejected).flatten(1).all(1).any()
    assert not torch.equal(none, plain)


def test_the_rendering_of_the_sampler_is_that_of_the_training():
    sampler = evaluation("sampler=fast").sampler
    batch = sampler([0])
    assert batch.novel.rendering.image.shape[-1] == 32
    assert sampler.rendering["novel"].changes["first_pass"] == "proposal"


def test_a_fixed_set_of_identities_is_the_trainings_and_never_the_benchmarks():
    config = ["sampler=cached_identities", "sampler.identities=2", "seed=3"]
    sampler = evaluation(*config).sampler
    planes = sampler.planes(range(2)).planes
    again = sampler.planes(range(2, 4)).planes
    assert all(any(torch.equal(one, other) for other in again) for one in planes)
    numbers = [FIRST_HELD_OUT, FIRST_HELD_OUT + 1, FIRST_HELD_OUT + 2]
    z = sampler.for_scores(3).draw(numbers).z
    assert len(torch.unique(z, dim=0)) == 3


def test_a_student_of_another_bundled_teacher_is_told_which():
    evaluation = Evaluation(compose("evaluate", "checkpoint=bundled/heads", "device=cpu"))
    with pytest.raises(ValueError, match=r"do not belong together:(.|\n)*Here: teacher=heads"):
        _ = evaluation.teacher
