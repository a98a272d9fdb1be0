import dataclasses

import pytest
import torch

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suites.degradations import blurred, noisy, occluded
from pipeline.evaluation.suites.hard_puppet_suite import HardPuppetSuite
from pipeline.evaluation.suites.hard_world_suite import SPLITS
from pipeline.sampling.random_streams import stream
from pipeline.worlds.puppets.census import combinations_of, unseen_identities, wearing
from pipeline.worlds.splits import Split
from teachers.toy import ToyTeacher

CONTEXT = SuiteContext(passport=ToyTeacher(resolution=16).passport, image_size=16)


def suite(**changes) -> HardPuppetSuite:
    return HardPuppetSuite(
        **{
            "context": CONTEXT,
            "identities": 1,
            "views": 2,
            "supersampling": 1,
            "trained_identities": 300,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def items():
    return {item.group: item for item in suite().items()}


def yaw_deg(camera):
    position = camera.cam_to_world[:, :3, 3]
    return torch.atan2(position[:, 0], position[:, 2]).rad2deg()


def test_every_split_has_its_identities_and_the_manifest_says_so_before_anything_is_drawn(
    items, monkeypatch
):
    assert tuple(items) == SPLITS
    monkeypatch.setattr(
        "pipeline.worlds.puppets.world.PuppetWorld.render_puppet",
        lambda *given: pytest.fail("rendered"),
    )
    manifest = suite().manifest()
    assert [entry["name"] for entry in manifest["items"]] == [item.name for item in items.values()]
    assert manifest["split"] == "test" and "held out" in manifest["held_out"]


def test_pose_turns_the_given_view_away(items):
    assert 45 <= yaw_deg(items["pose"].camera).abs().item() <= 75.01
    assert all(
        yaw_deg(items[split].camera).abs().item() <= 30.01 for split in SPLITS if split != "pose"
    )
    many = [
        suite(splits=["pose"], identities=9).suite_of("pose").cameras(subject)
        for subject in range(9)
    ]
    assert {bool(yaw_deg(camera)[0] > 0) for camera in many} == {True, False}


def test_only_the_input_is_degraded(items):
    for split in ("blur", "noise", "occlusion"):
        item = items[split]
        assert not torch.equal(item.image, item.reference.image[0])
        assert torch.equal(item.reference.image, items["blur"].reference.image)
    assert torch.equal(items["pose"].image, items["pose"].reference.image[0])


def test_hard_light_changes_the_colours_and_nothing_else(items):
    lit, plain = items["light"].reference, items["blur"].reference
    assert torch.equal(lit.depth, plain.depth) and torch.equal(lit.part, plain.part)
    assert (lit.image - plain.image).abs().mean() > 0.05


def test_new_combinations_do_not_occur_in_training():
    identities = unseen_identities(Split.TEST, trained=300, count=3)
    seen = combinations_of(Split.TRAIN, 300)
    assert not set(wearing(Split.TEST, identities)) & seen
    assert set(wearing(Split.TRAIN, [7])) <= seen
    with pytest.raises(ValueError, match="ask for at most so many"):
        unseen_identities(Split.TEST, trained=300, count=3, searched=4)


def test_blur_keeps_the_mean_noise_its_deviation_and_occlusion_its_area():
    image = torch.zeros(3, 64, 64)
    image[:, 32:] = 0.5
    assert float(blurred(image, share=0.03).mean()) == pytest.approx(0.25, abs=1e-4)
    assert torch.allclose(blurred(torch.ones(3, 8, 8), share=0.1), torch.ones(3, 8, 8))
    assert float(
        noisy(image, stream(0, 0, "noise"), deviation=0.1).sub(image).std()
    ) == pytest.approx(0.1, abs=0.01)
    covered = (occluded(image, stream(0, 0, "occlusion"), share=0.4) != image).any(0).float().mean()
    assert float(covered) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("wrong", [{"splits": ["rain"]}, {"splits": []}, {"identities": 0}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"choose from|at least 1 identity"):
        suite(**wrong)


def test_the_given_camera_is_the_teachers():
    passport = dataclasses.replace(CONTEXT.passport, camera_radius=3.0)
    item = suite(context=dataclasses.replace(CONTEXT, passport=passport), splits=["blur"]).items()[
        0
    ]
    assert float(item.camera.cam_to_world[0, :3, 3].norm()) == pytest.approx(3.0, abs=1e-4)
