import pytest
import torch

from pipeline.evaluation.methods import MethodEntry, constant_method, student_method
from pipeline.evaluation.suites.invariance import (
    Invariance,
    cropped,
    invariance_table,
    mirrored,
    warped,
)
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher

TEACHER = ToyTeacher(resolution=16, depth_samples=8, importance_samples=0)


@pytest.fixture(scope="module")
def lifter(student_of):
    return student_of(TEACHER)


def triplane(number=0):
    z = torch.randn(1, TEACHER.z_dim, generator=torch.Generator().manual_seed(number))
    return TEACHER.synthesize(TEACHER.map_latents(z))


def pictures(count=3):
    return list(torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)


def shares(table):
    return {row[1]: row[2:] for row in table["table"]["rows"]}


def test_planes_that_never_change_have_no_error_but_for_the_flip(lifter):
    method = constant_method(lifter, triplane(), "constant", "constant")
    found = shares(invariance_table([method], pictures(), Invariance(methods=["constant"])))
    assert {name: row[:2] for name, row in found.items() if name != "flip"} == {
        name: [0.0, 0.0] for name in ("roll", "roll back", "zoom in", "zoom out", "shift", "crop")
    }
    assert found["roll"][2] is None  # an infinite number of decibels


def test_a_lift_that_mirrors_with_its_input_has_no_error_in_the_flip(lifter):
    def lift(image):
        is_flipped = bool(image[0, 0, 0, 0] < image[0, 0, 0, -1])
        return LiftedPortrait(lifter, mirrored(triplane()) if is_flipped else triplane())

    ramp = torch.linspace(1, -1, 32).expand(3, 32, 32)
    found = shares(
        invariance_table(
            [MethodEntry("symmetric", "symmetric", lift)],
            [ramp, ramp],
            Invariance(methods=["symmetric"]),
        )
    )
    assert found["flip"][0] == 0 and found["flip"][2] > 40


def test_an_untrained_student_moves_and_other_methods_are_not_in_the_table(lifter):
    methods = [student_method(lifter), constant_method(lifter, triplane(), "constant", "constant")]
    table = invariance_table(
        methods, pictures(), Invariance(), relight=lambda number: pictures()[number] * 0.5
    )
    assert {row[0] for row in table["table"]["rows"]} == {"student"}
    assert all(row[0] > 0.01 for row in shares(table).values()) and "relight" in shares(table)


def test_another_identity_for_every_transformation_is_a_share_of_one(lifter):
    identities = iter([0, 1, *[number % 2 for number in range(1, 15)]])
    method = MethodEntry(
        "wild", "wild", lambda image: LiftedPortrait(lifter, triplane(next(identities)))
    )
    found = shares(invariance_table([method], pictures(2), Invariance(methods=["wild"])))
    assert any(row[0] == pytest.approx(1) for name, row in found.items() if name != "flip")


def test_mirrored_planes_are_seen_by_the_mirrored_camera_as_the_mirror_image():
    camera = Camera.orbit(torch.tensor([0.5]), torch.tensor([0.2]))
    seen = TEACHER.render(triplane(), camera).image
    assert torch.allclose(
        TEACHER.render(mirrored(triplane()), camera.mirrored()).image, seen.flip(-1), atol=1e-4
    )


def test_pictures_move_by_the_given_motion():
    image = torch.zeros(3, 40, 40)
    image[:, 10:12, 30:32] = 1.0

    def middle(picture):
        weights = picture[0].clamp(min=0)
        rows, columns = torch.meshgrid(
            torch.arange(40) + 0.5, torch.arange(40) + 0.5, indexing="ij"
        )
        return float((weights * columns).sum() / weights.sum()), float(
            (weights * rows).sum() / weights.sum()
        )

    assert middle(warped(image, right=0.1, down=-0.05)) == pytest.approx((35, 9), abs=0.2)
    assert middle(warped(image, zoom=0.5)) == pytest.approx((25.5, 15.5), abs=0.3)
    assert middle(warped(image, roll_deg=90)) == pytest.approx(
        (29, 31), abs=0.3
    )  # clockwise: top right to lower right
    assert torch.equal(cropped(image, share=0.1)[:, :36, :36], image[:, :36, :36])
    assert torch.equal(
        cropped(image, share=0.5)[:, :, 20:],
        cropped(image, share=0.5)[:, :, 19:20].expand(3, 40, 20),
    )
