import re

import pytest
import torch

from pipeline.build.configuration import compose, instantiate
from pipeline.evaluation.suites.coverage import QUANTITIES, coverage_table, numbers_of
from teachers.rendering.camera import Camera


def rows(table):
    return {row[0].split(",")[0]: row for row in table["table"]["rows"]}


def proposed(table) -> list[str]:
    (note,) = (note for note in table["notes"] if "distil with" in note)
    return note.split("distil with: ")[1].split(" ")


@pytest.mark.parametrize("cameras", ["puppets", "lp3d_ffhq"])
def test_the_priors_own_cameras_are_covered(cameras):
    prior = instantiate(compose("evaluate", f"cameras={cameras}").cameras).reference
    table = coverage_table(prior.draw(3, range(40), "photographs"), prior)
    assert rows(table)["any of these"][6] < 0.2
    table = coverage_table(Camera.orbit(torch.tensor([0.0]), torch.tensor([0.0])), prior)
    assert rows(table)["any of these"][6] == 0 and table["notes"][0].startswith(
        "all cameras lie within"
    )


@pytest.mark.parametrize("cameras", ["puppets", "lp3d_ffhq", "lp3d_afhq"])
def test_what_is_proposed_can_be_composed_and_covers(cameras):
    seen = Camera.orbit(
        torch.tensor([0.0, 1.2, -1.3]),
        torch.tensor([0.0, 0.5, -0.3]),
        roll=torch.tensor([0.0, 0.5, 0.0]),
        radius=3.1,
        focal=3.4,
    )
    prior = instantiate(compose("evaluate", f"cameras={cameras}").cameras).reference
    table = coverage_table(seen, prior)
    assert rows(table)["yaw"][6] == pytest.approx(2 / 3, abs=1e-4) and rows(table)["roll"][
        6
    ] == pytest.approx(1 / 3, abs=1e-4)
    assert re.search(r"uncovered: yaw \(67%\)", table["notes"][0])
    wider = instantiate(
        compose("distill", f"cameras={cameras}", *proposed(table)).cameras
    ).reference
    assert rows(coverage_table(seen, wider))["any of these"][6] == 0


def test_a_quantity_that_never_varied_gets_a_distribution():
    cameras = compose(
        "distill",
        "cameras=puppets",
        "cameras.reference.roll_deg=null",
        "cameras.reference.radius=null",
    ).cameras
    table = coverage_table(
        Camera.orbit(torch.zeros(2), torch.zeros(2), roll=torch.tensor([0.2, -0.1])),
        instantiate(cameras).reference,
    )
    wider = compose(
        "distill", "cameras=puppets", "cameras.reference.roll_deg=null", *proposed(table)
    ).cameras
    assert wider.reference.roll_deg.high > 11.4


def test_the_numbers_of_a_camera_are_those_that_it_was_made_of():
    camera = Camera.orbit(
        torch.tensor([0.4]),
        torch.tensor([-0.2]),
        roll=0.1,
        radius=2.5,
        focal=4.2647,
        principal_point=(0.52, 0.47),
        pivot=(0.0, 0.0, 0.2),
    )
    numbers = dict(
        zip((quantity.name for quantity in QUANTITIES), numbers_of(camera)[0].tolist(), strict=True)
    )
    expected = {
        "yaw": 22.918,
        "pitch": -11.459,
        "roll": 5.730,
        "radius": 2.5,
        "diagonal field of view": 18.83,
        "centre x": 0.52,
        "centre y": 0.47,
    }
    assert numbers == pytest.approx(expected, abs=2e-3)


def test_photographs_without_a_camera_are_counted():
    prior = instantiate(compose("evaluate").cameras).reference
    none = Camera.orbit(torch.zeros(0), torch.zeros(0))
    notes = coverage_table(none, prior, without=4)["notes"]
    assert notes[0].startswith("no photograph has a known camera") and notes[1].startswith(
        "4 photographs without a known camera"
    )
