"""A photograph on the page is framed as `trilift lift` frames its file, whatever is held of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.portraits import mean_face
from pipeline.portraits.cached_landmarks import CachedLandmarks
from pipeline.portraits.crop import Crop
from pipeline.portraits.framing import CentreSquare, FaceCrops, Framing
from pipeline.portraits.front_door import Portrait, PortraitSettings, portraits_of
from pipeline.viewer.photographs import LONGEST_SIDE, Photograph, Photographs

LARGE = 3200, 2400
EQUIVALENT_MM = {0xA405: 26}


def photograph_of_a_face(
    path: Path, *, measured: tuple[int, int] | None, tags: dict[int, int]
) -> Path:
    """A grey JPEG of `LARGE` with a face at the right, measured in a copy of another size."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    Image.new("RGB", LARGE, "grey").save(path, exif=exif)
    points = mean_face.DECIMETRES[:, :2] * (1, -1) * 250 + (2300, 1000)
    points = points * np.array(measured or LARGE) / LARGE
    size = {} if measured is None else {"size": measured}
    path.with_suffix(".json").write_text(json.dumps({"landmarks": points.tolist(), **size}))
    return path


def both(file: Path, framing: Framing) -> tuple[Photograph, Portrait]:
    """The page's and lift's."""
    page = Photographs(framing, most=1, background=1.0).add(file.read_bytes(), file.name)
    (portrait,) = portraits_of(file, "a", PortraitSettings(framing=framing), resolution=16)
    return page, portrait


def shares(crop: Crop, size: tuple[int, int]) -> list[float]:
    """Left, top, size of a square in sides of its photograph, and its roll."""
    return [crop.left / size[0], crop.top / size[1], crop.size / size[0], crop.roll_deg]


@pytest.mark.parametrize("measured", [None, LARGE, (800, 600)])
def test_landmarks_of_a_file_count_in_pixels_of_the_whole_photograph(tmp_path, measured):
    file = photograph_of_a_face(tmp_path / "a.jpg", measured=measured, tags={})
    page, portrait = both(file, FaceCrops(CachedLandmarks(str(tmp_path))))
    assert page.image.size == (LONGEST_SIDE, 1536)
    assert page.framed.face_found and portrait.face_found
    lifted = shares(portrait.crop, LARGE)
    assert shares(page.framed.crop, page.image.size) == pytest.approx(lifted, abs=1e-9)
    assert np.allclose(page.framed.landmarks * 3200 / 2048, portrait.landmarks)


def test_the_focal_length_in_exif_gives_the_camera_that_lift_finds(tmp_path):
    file = photograph_of_a_face(tmp_path / "a.jpg", measured=None, tags=EQUIVALENT_MM)
    framing = FaceCrops(CachedLandmarks(str(tmp_path)))
    page, portrait = both(file, framing)
    assert page.framed.pose.is_focal_known and portrait.pose.is_focal_known
    torch.testing.assert_close(page.framed.camera.label(), portrait.camera.label())
    assert page.framed.pose.distance == pytest.approx(portrait.pose.distance)
    without = photograph_of_a_face(tmp_path / "a.jpg", measured=None, tags={})
    moved = both(without, framing)[0].framed.camera.label() - portrait.camera.label()
    assert moved.abs().max() > 0.02


def test_the_middle_of_a_reduced_photograph_stays_inside_it(tmp_path):
    Image.new("RGB", (2501, 1667), "grey").save(tmp_path / "a.png")
    page, portrait = both(tmp_path / "a.png", CentreSquare())
    assert page.image.size == (LONGEST_SIDE, 1365)
    assert page.cut(16).image.shape == (3, 16, 16)
    assert shares(page.framed.crop, page.image.size) == pytest.approx(
        shares(portrait.crop, (2501, 1667)), abs=5e-4
    )
