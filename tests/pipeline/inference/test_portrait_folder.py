"""Lift's files share their renderings: each camera is rendered once."""

import torch

from pipeline.inference.camera_paths import turntable
from pipeline.inference.portrait_folder import Film, write_portrait
from pipeline.inference.reconstructor import Reconstructor
from pipeline.inference.views import camera_key
from pipeline.lifter import Lifter


def rendered_cameras(student, folder, cameras_of):
    """The cameras of the renderer's calls while a portrait's folder is written."""
    lifter, cameras = Lifter.load(student), []
    lifter.renderer.register_forward_hook(lambda _, given, __: cameras.append(given[1]))
    portrait = Reconstructor(lifter).lift(torch.zeros(1, 3, 32, 32))
    film = Film(cameras=cameras_of(lifter.passport))
    write_portrait(folder, portrait, torch.zeros(3, 32, 32), film)
    return [camera_key(camera) for camera in cameras]


def test_the_frontal_view_is_rendered_once_for_sheet_depth_and_film(untrained_student, tmp_path):
    keys = rendered_cameras(
        untrained_student, tmp_path, lambda passport: turntable(passport, frames=3)
    )
    assert len(keys) == 7 + 3 and len(set(keys)) == len(keys)


def test_a_film_that_passes_a_camera_twice_renders_it_once(untrained_student, tmp_path):
    keys = rendered_cameras(
        untrained_student,
        tmp_path,
        lambda passport: turntable(passport, frames=8, yaw_deg=40, pitch_deg=0),
    )
    # eight frames at yaws 0, ±28 and ±40; the sheet has 0 and ±40 already
    assert len(keys) == 7 + 2 and len(set(keys)) == len(keys)
