"""One lift of one item."""

import pytest
import torch

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.lifting import LiftedItem, lift_item
from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.suites.held_out_teacher_suite import TeacherSuite
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.toy import ToyTeacher
from tests.pipeline.evaluation.toy_sampler import toy_sampler

TEACHER = ToyTeacher(resolution=16, depth_samples=8, importance_samples=0)


@pytest.fixture(scope="module")
def lifted(student_of):
    """The only item of a suite as a method lifts it that draws its planes."""
    context = SuiteContext(passport=TEACHER.passport, sampler=toy_sampler(TEACHER), image_size=16)
    suite = TeacherSuite(context=context, identities=1, views=2)
    item, lifter = suite.items()[0], student_of(TEACHER)

    def draw(image):
        z = torch.randn(1, TEACHER.z_dim)
        return LiftedPortrait(lifter, TEACHER.synthesize(TEACHER.map_latents(z)))

    def lift(seed: int, *, warm_up: bool) -> LiftedItem:
        return lift_item(
            MethodEntry("drawn", "drawn", draw),
            item,
            item.image[None],
            suite,
            device=torch.device("cpu"),
            seed=seed,
            warm_up=warm_up,
        )

    return lift


def test_what_a_method_draws_does_not_depend_on_whether_it_was_warmed_up(lifted):
    first, later, other = (
        lifted(seed, warm_up=warm_up).views.image
        for seed, warm_up in ((0, True), (0, False), (1, False))
    )
    assert torch.equal(first, later) and not torch.equal(first, other)
