import pytest
import torch

from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suites.hard_head_suite import HardHeadSuite
from pipeline.evaluation.suites.hard_world_suite import SPLITS
from pipeline.evaluation.suites.head_suite import HeadSuite
from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.factors import GlassesKind, HatKind
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.toy import ToyTeacher

CONTEXT = SuiteContext(passport=ToyTeacher(resolution=32).passport, image_size=32)
SETTINGS = {"context": CONTEXT, "identities": 1, "views": 2, "supersampling": 1}


@pytest.fixture(scope="module")
def items():
    return {item.group: item for item in HardHeadSuite(**SETTINGS).items()}


def test_people_are_those_of_the_test_split_on_the_teachers_background():
    suite = HeadSuite(**SETTINGS)
    (item,) = suite.items()
    assert item.name == "head00000"
    views = suite.opened().render(WorldSeeds.of(Split.TEST, [0, 0]), item.targets, 32)
    assert torch.equal(item.reference.depth, views.depth)
    assert (views.depth[item.reference.solid] > 0).all()  # 0 would be unknown
    assert torch.equal(item.reference.image[:, :, 0, 0], torch.ones(2, 3))
    known = torch.tensor([number for numbers in suite.parts.values() for number in numbers])
    assert torch.isin(item.reference.part[item.reference.part != 0], known).all()


def test_groups_are_skin_tones_that_are_known_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(HeadSuite, "_render", lambda *given: pytest.fail("rendered"))
    listed = HeadSuite(**{**SETTINGS, "identities": 60}).manifest()["items"]
    counts = [
        sum(entry["group"] == tone for entry in listed) for tone in ("light", "medium", "dark")
    ]
    assert sum(counts) == 60 and min(counts) >= 10


def test_every_hard_split_has_its_people(items):
    assert tuple(items) == SPLITS
    x, _, z = items["pose"].camera.cam_to_world[0, :3, 3]
    assert 45 <= torch.atan2(x, z).rad2deg().abs() <= 75.01
    number = int(items["accessories"].subject.removeprefix("head"))
    outfit = draw_identity(WorldSeeds.of(Split.TEST, [number]).identity[0]).outfit
    worn = (outfit.hat != HatKind.NONE, outfit.glasses != GlassesKind.NONE, outfit.mask > 0)
    assert sum(worn) >= 2


def test_hard_light_changes_the_colours_and_nothing_else(items):
    lit, plain = items["light"].reference, items["blur"].reference
    assert torch.equal(lit.depth, plain.depth) and torch.equal(lit.part, plain.part)
    assert (lit.image - plain.image).abs().mean() > 0.02
