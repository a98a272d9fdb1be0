"""Heads with a known field: the bundled student's prediction for a picture of a puppet, and, where
fine colours are what a test is about, an identity of its teacher.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.exporters.field import Field
from pipeline.exporters.head_mesh import MeshSettings, head_mesh, under_a_picture
from pipeline.exporters.sampled import sampled_identity
from pipeline.inference.pretrained import student_file
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.checkpoint import load_teacher

SEEDS = WorldSeeds.of(Split.TEST, [3])


@pytest.fixture(scope="package")
def head():
    """A lifted puppet."""
    reconstructor = Reconstructor(Lifter.load(student_file("bundled/puppets_tiny")))
    camera = reconstructor.lifter.passport.orbit(torch.zeros(1))
    view = PuppetWorld().render(SEEDS, camera, reconstructor.image_size)
    return reconstructor.lift(view.image(1.0))


@pytest.fixture(scope="package")
def field(head):
    return Field(head)


@pytest.fixture(scope="package")
def mesh(field):
    return head_mesh(field, MeshSettings(resolution=96))


@pytest.fixture(scope="package")
def light(field):
    """(2,000 faces with colours of the vertices, the same under a picture)."""
    settings = MeshSettings(resolution=96, faces=2000, texture=256)
    colored = head_mesh(field, settings)
    return colored, under_a_picture(colored, field, settings)


@pytest.fixture(scope="package")
def cameras(head):
    """Five views."""
    return head.orbit(yaw_deg=[-34, -17, 0, 17, 34])


@pytest.fixture(scope="package")
def views(head, cameras):
    """The field's own pictures from them, 128², in [0, 1]."""
    return _drawn(head, head.lifter.renderer, cameras)


@pytest.fixture(scope="package")
def detailed(cameras):
    """A person of the teacher, with sharp eyes and edges: field, mesh, light and views as above."""
    teacher = load_teacher("bundled/puppets")
    person = sampled_identity(teacher, 0)
    field = Field(person)
    settings = MeshSettings(resolution=96, faces=2000, texture=256)
    colored = head_mesh(field, settings)
    return SimpleNamespace(
        field=field,
        mesh=head_mesh(field, MeshSettings(resolution=96)),
        light=(colored, under_a_picture(colored, field, settings)),
        views=_drawn(person, teacher.renderer, cameras),
    )


def _drawn(head, renderer, cameras):
    renderer = renderer.changed(resolution=128)
    with torch.no_grad():
        drawn = [renderer(head.triplane, cameras[i : i + 1]) for i in range(len(cameras))]
    return [np.moveaxis((view.image[0].numpy() + 1) / 2, 0, 2) for view in drawn]
