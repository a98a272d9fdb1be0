"""Rendered heads, through the detector, lie where EG3D's crop would put them."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.pictures import to_uint8
from pipeline.portraits import canonical_face, mean_face
from pipeline.portraits.alignment import crop_of_landmarks
from pipeline.portraits.face import largest_face
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.film_track import track_film
from pipeline.portraits.framing import FaceCrops
from pipeline.worlds.heads.background import draw_background
from pipeline.worlds.heads.distributions import draw_identity, draw_physique
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.factors import Expression, Person
from pipeline.worlds.heads.frame import PIVOT
from pipeline.worlds.heads.light import draw_light
from pipeline.worlds.heads.sequences import render_sequence
from pipeline.worlds.heads.shape import head_shape
from pipeline.worlds.heads.world import HeadWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera
from tests.films import write_film

CALM = Expression({}, ((0.0, 0.0), (0.0, 0.0)), (0.0, 0.0, 0.0))
YAWS = (0.0, 0.4, -0.7)
SEEDS = (0, 2, 3, 5)
SIZE = 256

IN_MESH = {33: 2, 36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17, 8: 152}
"""300-W's landmark: MediaPipe's."""


@pytest.mark.parametrize("is_neutral", [True, False])
def test_the_crop_of_a_rendered_head_is_the_picture(is_neutral):
    world, detector = HeadWorld(supersampling=1), FaceMeshDetector()
    camera = Camera.orbit(torch.tensor(YAWS), torch.zeros(len(YAWS)), pivot=world.pivot)
    offsets, sizes = [], []
    for seed in SEEDS:
        expression = CALM if is_neutral else draw_expression(seed, seed)
        person = Person(draw_identity(seed), expression)
        views = world.render_people(
            [person] * 3, [draw_light(seed)] * 3, [draw_background(seed)] * 3, camera, SIZE
        )
        for image in views.image():
            face = largest_face(detector, Image.fromarray(to_uint8(image)))
            assert face is not None
            points = face.five_points()
            crop = crop_of_landmarks(points)
            offsets.append(np.linalg.norm(crop.to_square(points) - points / SIZE, axis=1).mean())
            sizes.append(crop.size / SIZE)
    by_yaw = np.reshape(offsets, (len(SEEDS), len(YAWS))).mean(0)
    assert np.mean(offsets) < 0.02 and by_yaw.max() < 0.025
    assert abs(np.mean(sizes) - 1) < 0.03


def test_a_head_is_followed_through_its_film(tmp_path):
    """Four frames, an eighth of a second apart: the angles are the sequence's."""
    seeds = WorldSeeds.of(Split.TRAIN, [2])
    views = render_sequence(HeadWorld(supersampling=1), seeds, 4, 160, fps=8.0)
    pixels = [to_uint8(image) for image in views.image()]
    ticks = [row * 11_250 for row in range(4)]
    film = write_film(tmp_path / "head.mp4", pixels, ticks=ticks, sound=None)
    track = track_film(film, FaceCrops(FaceMeshDetector()), is_smooth=False)
    (face,) = track.faces
    assert face.is_seen.all() and track.ticks.tolist() == ticks
    x, _, z = (views.camera.cam_to_world[:, :3, 3] - torch.tensor(PIVOT)).T
    error = np.degrees(face.angles[:, 0]) - torch.atan2(x, z).rad2deg().numpy()
    assert np.abs(error - error.mean()).max() < 3 and abs(error.mean()) < 8


def test_the_pivot_is_the_middle_of_the_crop():
    assert pytest.approx(mean_face.in_world(np.zeros((1, 3)))[0], abs=1e-9) == PIVOT


def test_neutral_heads_have_the_canonical_faces_pitch():
    turns = [_turn(head_shape(draw_physique(seed), CALM).landmarks) for seed in range(60)]
    assert abs(np.mean(turns)) < 1.5


def _turn(landmarks):
    """Degrees about the x axis from the canonical face to a head, of the points in both."""
    head = landmarks[list(IN_MESH)]
    face = canonical_face.decimetres()[list(IN_MESH.values())]
    (y, z), (up, forward) = (face - face.mean(0)).T[1:], (head - head.mean(0)).T[1:]
    return np.degrees(np.arctan2((forward * y - up * z).sum(), (up * y + forward * z).sum()))
