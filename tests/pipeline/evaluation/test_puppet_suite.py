import dataclasses

import pytest
import torch

from pipeline.evaluation import puppet_suite
from pipeline.evaluation.puppet_suite import PuppetSuite, photograph_of
from pipeline.worlds.puppets.splits import PuppetSeeds, Split
from teachers.toy import ToyTeacher

PASSPORT = ToyTeacher(resolution=16).passport


def suite(**changes) -> PuppetSuite:
    return PuppetSuite(**{"people": 2, "views": 3, "supersampling": 1, **changes})


@pytest.fixture(scope="module")
def seen():
    return suite().photograph(PASSPORT)


def test_it_shows_test_people_and_no_others(monkeypatch):
    drawn = []
    of = PuppetSeeds.of
    monkeypatch.setattr(puppet_suite.PuppetSeeds, "of", lambda split, numbers: drawn.append(split) or of(split, numbers))
    suite(people=1, views=2).photograph(PASSPORT)
    photograph_of(3, PASSPORT, yaw_deg=0.0, resolution=16)
    assert drawn == [Split.TEST, Split.TEST]


def test_pictures_lie_on_the_teachers_background_with_exact_depth(seen):
    assert seen.truth.image.shape == (6, 3, 16, 16)
    corner = seen.truth.image[:, :, 0, 0]
    assert torch.equal(corner, torch.ones(6, 3))
    solid = seen.truth.depth[seen.truth.opacity > 0.99]
    assert len(solid) > 100 and (solid > 2.0).all() and (solid < 3.2).all()
    black = suite(people=1, views=2).photograph(dataclasses.replace(PASSPORT, background="black"))
    assert torch.equal(black.truth.image[:, :, 0, 0], -torch.ones(2, 3))


def test_cameras_are_the_teachers():
    passport = dataclasses.replace(PASSPORT, camera_radius=3.0, focal=4.0)
    camera = suite().cameras(passport)
    assert torch.allclose(camera.cam_to_world[:, :3, 3].norm(dim=-1), torch.tensor(3.0))
    assert torch.all(camera.intrinsics[:, 0, 0] == 4.0)


def test_gaps_go_through_the_bins_and_stay_in_front():
    chosen = suite(people=40, views=5, gaps_deg=(0, 15, 30, 45, 60), limit_deg=50)
    cameras = chosen.cameras(PASSPORT)
    truth = puppet_suite.Observation(torch.zeros(200, 3, 1, 1), torch.zeros(200, 1, 1, 1), torch.zeros(200, 1, 1, 1))
    people = puppet_suite.SeenPeople("puppets", tuple(range(40)), 5, truth, cameras)
    gaps = people.gap_deg.reshape(40, 5)
    for number, (low, high) in enumerate([(0, 0), (0, 15), (15, 30), (30, 45), (45, 60)]):
        assert (gaps[:, number] >= low - 1e-3).all() and (gaps[:, number] <= high + 1e-3).all()
    assert people.yaw_deg.abs().max() <= 50.001 and people.pitch_deg.abs().max() <= 10.001
    assert (people.yaw_deg.reshape(40, 5)[:, 0].abs() <= 30).all()


def test_more_people_leave_the_first_ones_as_they_are():
    few, many = suite(people=2).cameras(PASSPORT), suite(people=5).cameras(PASSPORT)
    assert torch.equal(few.cam_to_world, many.cam_to_world[:6])


def test_what_was_rendered_is_read_again_and_only_for_the_same_settings(seen, tmp_path, monkeypatch):
    kept = suite(cache=str(tmp_path))
    first = kept.photograph(PASSPORT)
    assert torch.equal(first.truth.image, seen.truth.image)
    monkeypatch.setattr(PuppetSuite, "_render", lambda *arguments: pytest.fail("rendered again"))
    again = kept.photograph(PASSPORT)
    for name in ("image", "depth", "opacity"):
        assert torch.equal(getattr(first.truth, name), getattr(again.truth, name))
    for other in (suite(cache=str(tmp_path), seed=1), suite(cache=str(tmp_path), supersampling=2)):
        with pytest.raises(pytest.fail.Exception, match="rendered again"):
            other.photograph(PASSPORT)


def test_a_damaged_cache_is_rendered_again(seen, tmp_path):
    kept = suite(cache=str(tmp_path))
    kept.photograph(PASSPORT)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(kept.photograph(PASSPORT).truth.image, seen.truth.image)


@pytest.mark.parametrize("wrong", [{"people": 0}, {"views": 1}, {"gaps_deg": [0, 0]}, {"gaps_deg": [30, 10]}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"suite needs|rising edges"):
        suite(**wrong)
