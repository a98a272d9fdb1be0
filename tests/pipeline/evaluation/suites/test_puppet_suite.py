import dataclasses

import pytest
import torch

from pipeline.evaluation.items import Item, SuiteContext
from pipeline.evaluation.suites import world_suite
from pipeline.evaluation.suites.invariance import Invariance
from pipeline.evaluation.suites.puppet_suite import PuppetSuite, photograph_of
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.toy import ToyTeacher

PASSPORT = ToyTeacher(resolution=16).passport


def suite(passport=PASSPORT, **changes) -> PuppetSuite:
    return PuppetSuite(
        **{
            "context": SuiteContext(passport),
            "identities": 2,
            "views": 3,
            "supersampling": 1,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def seen() -> list[Item]:
    return list(suite().items())


def test_it_shows_test_identities_and_no_others(monkeypatch):
    drawn = []
    of = WorldSeeds.of
    monkeypatch.setattr(
        world_suite.WorldSeeds,
        "of",
        lambda split, numbers: drawn.append(split) or of(split, numbers),
    )
    assert suite(identities=1, views=2).items()[0].name == "puppet00000"
    photograph_of(3, PASSPORT, yaw_deg=0.0, resolution=16)
    assert set(drawn) == {Split.TEST}


def test_choices_are_made_on_other_people_than_results():
    chosen, shown = suite(split="validate"), suite()
    assert chosen.manifest()["split"] == "validate" and shown.manifest()["split"] == "test"
    assert torch.equal(chosen.cameras(0).label(), shown.cameras(0).label())
    assert not torch.equal(chosen.items()[0].image, shown.items()[0].image)
    assert chosen.seeds([1]).split is Split.VALIDATE
    assert (chosen.name, shown.name) == ("puppets_validate", "puppets")
    names = [{one["name"] for one in each.manifest()["items"]} for each in (chosen, shown)]
    assert not names[0] & names[1]  # or files and scores of one could be taken for the other's
    with pytest.raises(ValueError, match=r"suite\.split is 'train': use one of test, validate"):
        suite(split="train")


def test_a_rendering_of_another_split_is_not_taken_from_the_cache(tmp_path):
    test, other = (
        suite(identities=1, views=2, cache=str(tmp_path), split=split)
        for split in ("test", "validate")
    )
    first, second = test.reference(0), other.reference(0)
    assert not torch.equal(first.image, second.image)
    assert torch.equal(test.reference(0).image, first.image)
    assert torch.equal(other.reference(0).image, second.image)


def test_pictures_lie_on_the_teachers_background_with_exact_depth(seen):
    for item in seen:
        assert item.reference.image.shape == (3, 3, 16, 16) and torch.equal(
            item.image, item.reference.image[0]
        )
        assert torch.equal(item.reference.image[:, :, 0, 0], torch.ones(3, 3))
        assert (item.reference.depth[item.reference.solid] > 0).all()  # 0 would be unknown
        solid = item.reference.depth[item.reference.opacity > 0.99]
        assert len(solid) > 50 and (solid > 2.0).all() and (solid < 3.2).all()
    black = suite(dataclasses.replace(PASSPORT, background="black"), identities=1, views=2).items()[
        0
    ]
    assert torch.equal(black.reference.image[:, :, 0, 0], -torch.ones(2, 3))


def test_parts_cover_the_subject_and_nothing_else(seen):
    shown = torch.zeros_like(seen[0].reference.part, dtype=torch.bool)
    for numbers in suite().parts.values():
        shown |= torch.isin(seen[0].reference.part, torch.tensor(numbers))
    assert (shown == (seen[0].reference.part != 0)).all() and (
        shown & (seen[0].reference.opacity == 0)
    ).sum() == 0


def test_skin_tones_are_groups_that_are_known_before_anything_is_drawn(seen):
    listed = suite(identities=60).manifest()["items"]
    counts = [
        sum(entry["group"] == tone for entry in listed) for tone in ("dark", "medium", "light")
    ]
    assert sum(counts) == 60 and min(counts) >= 10
    assert [item.group for item in seen] == [entry["group"] for entry in listed[:2]]


def test_cameras_are_the_teachers():
    camera = suite(dataclasses.replace(PASSPORT, camera_radius=3.0, focal=4.0)).cameras(1)
    assert torch.allclose(camera.cam_to_world[:, :3, 3].norm(dim=-1), torch.tensor(3.0))
    assert torch.all(camera.intrinsics[:, 0, 0] == 4.0)


def test_gaps_go_through_the_bins_and_stay_in_front():
    chosen = suite(identities=40, views=5, gaps_deg=(0, 15, 30, 45, 60), limit_deg=50)
    for subject in range(40):
        position = chosen.cameras(subject).cam_to_world[:, :3, 3]
        yaw = torch.atan2(position[:, 0], position[:, 2]).rad2deg()
        for gap, (low, high) in zip(
            (yaw - yaw[0]).abs(), [(0, 0), (0, 15), (15, 30), (30, 45), (45, 60)], strict=True
        ):
            assert low - 1e-3 <= gap <= high + 1e-3
        assert yaw.abs().max() <= 50.001 and yaw[0].abs() <= 30
        assert torch.asin(position[:, 1] / position.norm(dim=-1)).rad2deg().abs().max() <= 10.001


def test_more_identities_leave_the_first_ones_as_they_are():
    assert torch.equal(
        suite(identities=2).cameras(1).cam_to_world, suite(identities=5).cameras(1).cam_to_world
    )
    assert suite(identities=2).manifest()["items"] == suite(identities=5).manifest()["items"][:2]


def test_what_was_rendered_is_read_again_and_only_for_the_same_settings(
    seen, tmp_path, monkeypatch
):
    kept = suite(cache=str(tmp_path))
    first = kept.reference(1)
    assert torch.equal(first.image, seen[1].reference.image)
    monkeypatch.setattr(PuppetSuite, "_render", lambda *arguments: pytest.fail("rendered again"))
    again = suite(cache=str(tmp_path), identities=7).reference(1)
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in vars(first))
    for other in (suite(cache=str(tmp_path), seed=1), suite(cache=str(tmp_path), supersampling=2)):
        with pytest.raises(pytest.fail.Exception, match="rendered again"):
            other.reference(1)


def test_a_damaged_cache_is_rendered_again(seen, tmp_path):
    kept = suite(cache=str(tmp_path))
    kept.reference(0)
    (file,) = tmp_path.glob("*/*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert torch.equal(kept.reference(0).image, seen[0].reference.image)


@pytest.mark.parametrize(
    "wrong", [{"identities": 0}, {"views": 1}, {"gaps_deg": [0, 0]}, {"gaps_deg": [30, 10]}]
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"suite needs|rising edges"):
        suite(**wrong)


def test_other_light_changes_colours_and_no_silhouette(seen):
    relit, plain = suite().relit(0), seen[0].image
    assert (relit - plain).abs().mean() > 0.01
    outside = seen[0].reference.opacity[0].expand(3, -1, -1) == 0
    assert torch.equal(relit[outside], plain[outside])
    assert "invariance" not in suite(invariance=Invariance(items=0)).extras([])
