"""Sheets and films: large enough, the identity right side up, empty space black in depth."""

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of, turntable
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.inference.sheet import depth_colours, film_frames, normal_colours, view_sheet
from pipeline.inference.views import Views
from pipeline.lifter import Lifter, Recipe
from teachers.rendering.rendering import Rendering
from teachers.toy import ToyTeacher


@pytest.fixture(scope="module")
def portrait() -> LiftedPortrait:
    teacher = ToyTeacher(resolution=32)
    nothing = Recipe("students.none", {})
    lifter = Lifter.from_teacher(
        encoder=torch.nn.Identity(), encoder_recipe=nothing, teacher=teacher
    )
    return LiftedPortrait(
        lifter, teacher.synthesize(teacher.map_latents(torch.zeros(1, teacher.z_dim)))
    )


def test_depth_is_coloured_on_the_identity_and_black_beside_it(portrait):
    rendering = portrait.view()
    colours, opaque = depth_colours(rendering)[0], rendering.opacity[0, 0] > 0.5
    assert opaque.any() and (colours[:, ~opaque] == -1).all()
    nearest = (rendering.depth[0, 0] + 100 * ~opaque).argmin()
    assert (colours.flatten(1)[:, nearest] > -1).any()


def test_normals_of_the_middle_look_at_the_viewer(portrait):
    camera = orbit_of(portrait.passport, [0.5], [0.0])
    rendering = portrait.render(camera)
    forehead = normal_colours(rendering, camera)[0, :, 12, 16]
    assert rendering.opacity[0, 0, 12, 16] > 0.9 and forehead[2] > 0.6


def test_an_empty_picture_has_a_black_depth():
    empty = torch.zeros(1, 1, 8, 8)
    image = torch.zeros(1, 3, 8, 8)
    assert (depth_colours(Rendering(image, image, image, empty / 0, empty)) == -1).all()


def test_a_sheet_shows_twelve_views_large_enough_to_see(portrait):
    sheet = view_sheet(Views(portrait), torch.zeros(3, 64, 64))
    assert sheet.shape[1] >= 3 * 128 and sheet.shape[2] >= 5 * 128
    assert sheet.isfinite().all() and sheet.min() >= -1 and sheet.max() <= 1


def test_frames_of_a_film_are_even_and_differ(portrait):
    frames = list(film_frames(Views(portrait), turntable(portrait.passport, frames=3)))
    assert [frame.shape for frame in frames] == [(256, 256, 3)] * 3
    assert (frames[0] != frames[1]).any()
