"""One lift of one item."""

from types import SimpleNamespace

import pytest
import torch

from pipeline.evaluation import lifting
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


def test_the_time_of_a_view_is_its_rendering_alone(lifted, monkeypatch):
    clock = [0.0]

    def takes(seconds: float, called):
        def slow(*given, **named):
            clock[0] += seconds
            return called(*given, **named)

        return slow

    monkeypatch.setattr(lifting, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(LiftedPortrait, "render", takes(3.0, LiftedPortrait.render))
    monkeypatch.setattr(TeacherSuite, "adjusted", takes(100.0, TeacherSuite.adjusted))
    monkeypatch.setattr(lifting, "resized", takes(100.0, lifting.resized))
    assert lifted(0, warm_up=False).render_seconds == 1.5  # two views
