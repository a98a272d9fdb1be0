"""A photograph is lifted once and rendered often."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.reconstructor import Reconstructor
from pipeline.lifter import Lifter
from pipeline.pictures import from_uint8
from pipeline.portraits.crop import Crop
from pipeline.portraits.framing import Framed, GivenSquare
from teachers.rendering.triplane import Triplane
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter


@pytest.fixture
def lifter() -> Lifter:
    return tiny_lifter(ToyTeacher(resolution=16), image_size=64).train()


def test_the_encoder_runs_once_for_any_number_of_views(lifter):
    calls = []
    lifter.encoder.register_forward_hook(lambda *_: calls.append(1))
    face = Reconstructor(lifter).lift(torch.zeros(1, 3, 64, 64))
    for yaw in (-0.3, 0.0, 0.3):
        face.view(yaw)
    assert len(calls) == 1 and not lifter.training


def test_a_portrait_shows_what_its_planes_hold(lifter):
    teacher = ToyTeacher(resolution=16)
    identity = teacher.synthesize(teacher.map_latents(torch.randn(1, teacher.z_dim)))
    face = Reconstructor(lifter).lift(torch.zeros(1, 3, 64, 64))
    face.triplane = Triplane(identity.planes, identity.axes, identity.box_size)
    cameras = orbit_of(teacher.passport, [-0.4, 0.0, 0.4], [0.1, 0.0, -0.1])
    expected = teacher.render(identity.repeat_interleave(3), cameras)
    rendering = face.render(cameras)
    torch.testing.assert_close(rendering.image, expected.image)
    torch.testing.assert_close(rendering.opacity, expected.opacity)
    assert not rendering.image.requires_grad


def test_the_same_photograph_is_lifted_to_the_same_identity(lifter):
    reconstructor, photograph = Reconstructor(lifter), torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(
        reconstructor.lift(photograph).view(0.2).image,
        reconstructor.lift(photograph).view(0.2).image,
    )


def test_pictures_need_the_size_that_the_encoder_was_made_for(lifter):
    assert Reconstructor(lifter).image_size == 64
    assert Reconstructor(lifter, image_size=96).image_size == 96


@pytest.mark.parametrize("kind", ["path", "text", "image", "array", "grey", "transparent"])
def test_a_photograph_may_come_as_a_file_an_image_or_an_array(lifter, tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "anna.png")
    photo = {
        "path": tmp_path / "anna.png",
        "text": str(tmp_path / "anna.png"),
        "image": Image.fromarray(pixels),
        "array": pixels,
        "grey": pixels[..., 0],
        "transparent": np.dstack([pixels, np.full((80, 64), 255, np.uint8)]),
    }[kind]
    shown = pixels[8:72]  # the largest square in the middle
    if kind == "grey":
        shown = shown[..., :1].repeat(3, 2)
    expected = Reconstructor(lifter).lift(from_uint8(shown)[None]).triplane.planes
    assert torch.equal(Reconstructor(lifter).lift(photo).triplane.planes, expected)


def test_the_square_is_what_the_framing_says(lifter):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 64, 3), np.uint8)
    face = Reconstructor(lifter).lift(pixels, framing=GivenSquare(Crop(0, 16, 64)))
    expected = Reconstructor(lifter).lift(from_uint8(pixels[16:])).triplane.planes
    assert torch.equal(face.triplane.planes, expected)


@pytest.mark.parametrize(
    "photo, message",
    [
        ("gone.jpg", "gone.jpg: no such file"),
        (np.zeros((64, 64, 3), np.float32), r"float32 \[64, 64, 3\] came: expected uint8"),
        (np.zeros((2, 64, 64, 3), np.uint8), "expected uint8"),
        (torch.zeros(2, 3, 64, 64), r"\[2, 3, 64, 64\] came: expected one RGB image"),
        (torch.zeros(64, 64, 3), "expected one RGB image"),
        (torch.zeros(3, 64, 64, dtype=torch.uint8), "floating point"),
    ],
)
def test_what_is_no_photograph_is_refused(lifter, photo, message):
    with pytest.raises(ValueError, match=message):
        Reconstructor(lifter).lift(photo)


def test_two_faces_are_not_one_identity(lifter):
    class Twins:
        def frame(self, picture):
            return [Framed(Crop(0, 0, 32)), Framed(Crop(32, 0, 32))]

    with pytest.raises(ValueError, match="2 faces, and one is lifted at a time"):
        Reconstructor(lifter).lift(np.zeros((64, 64, 3), np.uint8), framing=Twins())


def test_orbit_cameras_are_in_degrees_and_repeat_single_angles(lifter):
    face = Reconstructor(lifter).lift(torch.zeros(3, 64, 64))
    orbit = face.orbit(yaw_deg=[-30, 0, 30], pitch_deg=10)
    expected = orbit_of(face.passport, [-math.pi / 6, 0.0, math.pi / 6], [math.pi / 18] * 3)
    assert torch.equal(orbit.label(), expected.label())
    assert torch.equal(face.orbit().label(), orbit_of(face.passport, [0.0], [0.0]).label())
    assert face.render(orbit).image.shape == (3, 3, 16, 16)
    with pytest.raises(ValueError, match="2 yaws and 3 pitches"):
        face.orbit(yaw_deg=[1, 2], pitch_deg=[1, 2, 3])
