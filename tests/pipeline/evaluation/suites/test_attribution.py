"""Stages of a lift are exchanged with the teacher's, whatever the kind of its renderer."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from pipeline.evaluation.methods import MethodEntry
from pipeline.evaluation.suites.attribution import (
    STAGES,
    Attribution,
    ReferenceHead,
    attribution_table,
)
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.lifter import Lifter, Recipe
from teachers.checkpoint import load_teacher
from teachers.eg3d.teacher import EG3DTeacher
from teachers.kinds import freeze
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings
from tests.teachers.panohead.small_panohead import small_generator

ENLARGED = {"super_resolution": "2X", "sr_latent": "w_mean", "image_resolution": 128}
TEACHERS = {
    "eg3d": lambda: untrained_teacher(smallest_eg3d_settings(8, feature_channels=32, **ENLARGED)),
    "panohead": lambda: freeze(
        small_generator(sr_latent="w_mean"), name="small", licence="Apache-2.0"
    ),
    "puppets_wysiwyg": lambda: load_teacher("bundled/puppets_wysiwyg"),
}


@pytest.fixture(scope="module", params=list(TEACHERS))
def teacher(request) -> EG3DTeacher:
    found = TEACHERS[request.param]()
    found.renderer.resolution = min(found.renderer.resolution, 16)
    return found


@pytest.fixture(scope="module")
def head(teacher) -> ReferenceHead:
    z = torch.randn(1, teacher.z_dim, generator=torch.Generator().manual_seed(1))
    cameras = teacher.passport.orbit(torch.tensor([0.0, 0.4]))
    triplane = teacher.synthesize(teacher.map_latents(z, cameras[:1]))
    image = teacher.renderer(triplane, cameras[:1]).image[0]
    return ReferenceHead(image, triplane, teacher.renderer, cameras)


def student(teacher: EG3DTeacher) -> Lifter:
    return Lifter.from_teacher(
        encoder=nn.Identity(), encoder_recipe=Recipe("none", {}), teacher=teacher
    )


def rows(lifter: Lifter, head: ReferenceHead, factor: float = 1.0) -> dict[str, list[Any]]:
    """Of a student that lifts the head's own planes, or planes that are wrong by a factor."""
    planes = head.triplane.with_planes(head.triplane.planes * factor)
    known = MethodEntry("known", "known", lambda image: LiftedPortrait(lifter, planes))
    settings = Attribution(methods=["known"], rounds=0)
    table = attribution_table([known], [head], settings)["table"]
    return {row[1]: row[2:] for row in table["rows"]}


def damaged(network: nn.Module) -> nn.Module:
    changed = copy.deepcopy(network).requires_grad_(False)
    for weight in changed.parameters():
        weight.mul_(0.7)
    return changed


def test_with_the_true_planes_a_copy_of_the_renderer_shows_what_the_teacher_shows(teacher, head):
    found = rows(student(teacher), head)
    assert all(value == 0 for row in found.values() for value in row)


def test_an_error_of_the_planes_goes_with_the_true_planes_and_with_nothing_else(teacher, head):
    found = rows(student(teacher), head, 0.5)
    whole = found["none: all estimated"][0]
    assert whole > 0.001 and found["planes"] == [0.0, 1.0, whole]
    assert all(found[stage] == [whole, 0.0, 0.0] for stage in STAGES if stage != "planes")
    assert found["all of them"] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("teacher", "stage"),
    [
        *((name, "decoder") for name in TEACHERS),
        ("eg3d", "super-resolution"),
        ("panohead", "super-resolution"),
    ],
    indirect=["teacher"],
)
def test_an_error_of_a_network_goes_with_that_stage(teacher, head, stage):
    lifter = student(teacher)
    name = stage.replace("-", "_")
    setattr(lifter.renderer, name, damaged(getattr(lifter.renderer, name)))
    found = rows(lifter, head)
    whole = found["none: all estimated"][0]
    assert whole > 0.001 and found[stage] == [0.0, 1.0, whole]
    assert found["all of them"] == [0.0, 1.0, 0.0] and found["planes"] == [whole, 0.0, 0.0]


def test_what_else_renders_belongs_to_the_decoder(teacher, head):
    """A student that was given fewer ray samples than its teacher takes."""
    lifter = student(teacher)
    renderer = lifter.renderer
    if teacher.passport.kind == "wysiwyg":
        lifter.renderer = renderer.with_counts(None).changed(depth_samples=8, importance_samples=0)
    else:
        lifter.renderer = renderer.changed(depth_samples=3, importance_samples=0)
    found = rows(lifter, head)
    assert found["none: all estimated"][0] > 0
    assert found["decoder"][:2] == found["all of them"][:2] == [0.0, 1.0]


@pytest.mark.parametrize("teacher", ["panohead"], indirect=True)
def test_renderers_of_two_kinds_are_exchanged_as_a_whole(head, teacher):
    lifter = student(teacher)
    lifter.renderer = TEACHERS["eg3d"]().renderer
    found = rows(lifter, head)
    whole = found["none: all estimated"][0]
    assert found["decoder"] == [0.0, 1.0, whole] and found["super-resolution"] == [whole, 0.0, 0.0]
    assert found["all of them"] == [0.0, 1.0, 0.0]
