import pytest
import torch

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.methods import MethodEntry, student_method
from pipeline.evaluation.suites.attribution import STAGES, Attribution, attribution_table
from pipeline.evaluation.suites.held_out_teacher_suite import TeacherSuite
from pipeline.evaluation.suites.invariance import Invariance
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.triplane import Triplane
from teachers.toy import ToyTeacher
from tests.pipeline.evaluation.toy_sampler import toy_sampler

TEACHER = ToyTeacher(resolution=16, depth_samples=8, importance_samples=0)


def suite(**changes) -> TeacherSuite:
    context = SuiteContext(passport=TEACHER.passport, sampler=toy_sampler(TEACHER), image_size=16)
    few = {
        "attribution": Attribution(items=2, methods=["known"], rounds=0),
        "invariance": Invariance(items=0),
    }
    return TeacherSuite(**{"context": context, "identities": 2, "views": 3, **few, **changes})


@pytest.fixture(scope="module")
def lifter(student_of):
    return student_of(TEACHER)


def knows(lifter, heads, change=lambda planes: planes):
    """A method that predicts the reference planes of the evaluated identities."""

    def lift(image):
        head = min(heads, key=lambda head: float((head.image - image[0]).abs().sum()))
        return LiftedPortrait(
            lifter,
            Triplane(change(head.triplane.planes), head.triplane.axes, head.triplane.box_size),
        )

    return MethodEntry("known", "known", lift)


def rows(table):
    return {row[1]: row[2:] for row in table["table"]["rows"]}


def test_the_input_is_the_first_view_and_the_reference_is_the_teachers(lifter):
    item = suite().items()[1]
    assert (
        torch.equal(item.image, item.reference.image[0])
        and len(item.targets) == 3
        and item.name == "sample1000000001"
    )
    assert torch.equal(item.camera.cam_to_world, item.targets.cam_to_world[:1])
    head = suite().head(1_000_000_001)
    portrait = LiftedPortrait(lifter, head.triplane)
    assert torch.allclose(
        portrait.render(item.targets).image.clamp(-1, 1), item.reference.image, atol=1e-6
    )


def test_with_the_true_planes_there_is_nothing_to_attribute(lifter):
    benchmark = suite()
    heads = [benchmark.head(number) for number in benchmark._numbers]
    found = rows(benchmark.extras([knows(lifter, heads)])["attribution"])
    assert all(value == 0 for row in found.values() for value in row)


def test_an_error_of_the_planes_goes_with_the_true_planes_and_with_nothing_else(lifter):
    benchmark = suite()
    heads = [benchmark.head(number) for number in benchmark._numbers]
    found = rows(
        attribution_table(
            [knows(lifter, heads, lambda planes: planes * 0.9)],
            heads,
            Attribution(methods=["known"], rounds=0),
        )
    )
    whole = found["none: all estimated"][0]
    assert whole > 0.01 and found["planes"] == [0.0, 1.0, whole]
    assert all(
        found[stage][0] == whole and found[stage][2] == 0 for stage in STAGES if stage != "planes"
    )
    assert found["all of them"][0] == 0


def test_an_unknown_camera_is_estimated_and_its_error_goes_with_the_true_one(lifter):
    benchmark = suite(identities=1)
    heads = [benchmark.head(1_000_000_000)]
    found = rows(
        attribution_table([knows(lifter, heads)], heads, Attribution(methods=["known"], rounds=1))
    )
    assert found["camera"] == [0.0, 1.0, found["none: all estimated"][0]]
    assert found["planes"][0] == found["none: all estimated"][0] > 0


def test_both_tables_are_made_of_an_ordinary_student(lifter):
    benchmark = suite(attribution=Attribution(items=1, rounds=0), invariance=Invariance(items=2))
    extras = benchmark.extras([student_method(lifter)])
    assert list(extras) == ["attribution", "invariance"]
    assert rows(extras["attribution"])["planes"][0] == 0
    assert [entry["sample"] for entry in benchmark.manifest()["items"]] == [
        1_000_000_000,
        1_000_000_001,
    ]


@pytest.mark.parametrize(
    "wrong", [{"identities": 0}, {"first": 5}, {"context": SuiteContext(passport=TEACHER.passport)}]
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least 1 identity|for training|give teacher="):
        suite(**wrong)
