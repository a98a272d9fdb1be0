import math

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.pictures import (
    caption,
    depth_picture,
    from_uint8,
    normal_picture,
    surface_normals,
    tile,
    to_uint8,
    write_png,
)
from teachers.rendering.camera import Camera


def sphere_depth(camera: Camera, resolution: int, radius: float) -> torch.Tensor:
    """Distance to a sphere about the origin, NaN beside it: the nearer t of |o + t d| = r."""
    rays = camera.rays(resolution)
    along = -(rays.origins * rays.directions).sum(-1)
    discriminant = along**2 - (rays.origins**2).sum(-1) + radius**2
    return (along - discriminant.sqrt()).reshape(-1, 1, resolution, resolution)


def test_minus_one_is_black_one_is_white_and_beyond_is_clamped():
    picture = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(3, 1, 5)
    assert to_uint8(picture)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_every_8_bit_level_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_uint8(from_uint8(levels)), levels)


def test_nan_becomes_magenta():
    picture = torch.zeros(1, 1, 2)
    picture[0, 0, 1] = math.nan
    assert to_uint8(picture)[0, 1].tolist() == [255, 0, 255]


def test_a_batch_is_refused_with_its_shape():
    with pytest.raises(ValueError, match=r"\(2, 8, 8\)"):
        to_uint8(torch.zeros(2, 8, 8))


def test_grey_depth_is_white_near_black_far_and_clamped_beyond():
    depth = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]).reshape(1, 1, 5)
    assert depth_picture(depth, 2.0, 4.0, colours="grey")[0, 0].tolist() == [1, 1, 0, -1, -1]


def test_turbo_runs_from_red_through_green_to_blue():
    near, middle, far = to_uint8(depth_picture(torch.tensor([[[0.1, 0.5, 0.9]]]), 0.0, 1.0))[
        0
    ].astype(int)
    assert near.argmax() == 0 and middle.argmax() == 1 and far.argmax() == 2


def test_turbo_separates_levels_that_grey_does_not():
    depth = torch.linspace(0, 1, 1000).reshape(1, 1, -1)
    colours = {tuple(c) for c in to_uint8(depth_picture(depth, 0.0, 1.0))[0]}
    greys = {tuple(c) for c in to_uint8(depth_picture(depth, 0.0, 1.0, colours="grey"))[0]}
    assert len(colours) > 1.5 * len(greys)


def test_swapped_depth_limits_are_named():
    with pytest.raises(ValueError, match=r"near 3.3 and far 2.25"):
        depth_picture(torch.ones(1, 4, 4), 3.3, 2.25)


@pytest.mark.parametrize("yaw", [0.0, 0.5, -1.2])
def test_normals_of_a_sphere_point_away_from_its_centre(yaw):
    camera = Camera.orbit(torch.tensor([yaw]), torch.tensor([0.3]), focal=4.0)
    depth = sphere_depth(camera, 64, 0.6)  # fills the whole picture
    assert depth.isfinite().all()
    points = camera.rays(64).at(depth.reshape(1, -1, 1))[:, :, 0]
    expected = torch.nn.functional.normalize(points, dim=-1).mT.reshape(1, 3, 64, 64)
    cosine = (surface_normals(depth, camera) * expected).sum(1)[:, 1:-1, 1:-1]
    assert cosine.min() > 0.9999


def test_a_normal_picture_does_not_depend_on_the_position_of_the_camera():
    pictures = [
        normal_picture(sphere_depth(camera, 32, 0.6), camera)
        for camera in (
            Camera.orbit(torch.tensor([yaw]), torch.tensor([0.2]), focal=4.0) for yaw in (0.0, 0.9)
        )
    ]
    assert torch.allclose(*pictures, atol=1e-3)


def test_in_a_normal_picture_red_is_right_green_is_up_blue_is_towards_the_viewer():
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1), focal=4.0)
    picture = normal_picture(sphere_depth(camera, 33, 0.6), camera)[0]
    assert torch.allclose(picture[:, 16, 16], torch.tensor([0.0, 0.0, 1.0]), atol=1e-3)
    assert picture[0, 16, 28] > 0.2 and picture[0, 16, 4] < -0.2
    assert picture[1, 4, 16] > 0.2 and picture[1, 28, 16] < -0.2


def test_a_sheet_puts_every_picture_in_its_row_and_column():
    black, grey = torch.full((3, 4, 6), -1.0), torch.zeros(1, 2, 3)
    sheet = tile([[black, grey], [grey]], gap=1, background=0.5)
    assert sheet.shape == (3, 1 + 4 + 1 + 2 + 1, 1 + 6 + 1 + 3 + 1)
    assert (
        (sheet[:, 1:5, 1:7] == -1).all()
        and (sheet[:, 1:3, 8:11] == 0).all()
        and (sheet[:, 6:8, 1:4] == 0).all()
    )
    outside = torch.ones(sheet.shape[1:], dtype=torch.bool)
    outside[1:5, 1:7] = outside[1:3, 8:11] = outside[6:8, 1:4] = False
    assert (sheet[:, outside] == 0.5).all()


def test_captions_do_not_cover_pictures():
    pictures = [[torch.full((3, 20, 20), 0.25)] * 2] * 2
    sheet = tile(pictures, row_labels=["first", "second"], column_labels=["left", "right"])
    assert (sheet == 0.25).sum() == 4 * 3 * 400
    assert sheet.shape[1] > tile(pictures).shape[1] and sheet.shape[2] > tile(pictures).shape[2]


def test_a_wrong_number_of_captions_is_counted():
    with pytest.raises(ValueError, match=r"got 1 column captions for 2 columns"):
        tile([[torch.zeros(3, 4, 4)] * 2], column_labels=["one"])


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="at least one picture"):
        tile([[], []])


def test_a_caption_has_dark_pixels_and_grows_with_its_text():
    short, long = caption("σ"), caption("a longer caption\nof two lines")
    assert short.min() < 0
    assert long.shape[1] > short.shape[1] and long.shape[2] > short.shape[2]


def test_a_png_holds_the_picture_and_leaves_nothing_else(tmp_path):
    picture = torch.rand(3, 5, 7) * 2 - 1
    write_png(tmp_path / "new" / "picture.png", picture)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["picture.png"]
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "new" / "picture.png")), to_uint8(picture)
    )


def test_a_failed_write_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    write_png(path, torch.ones(3, 4, 4))
    before = path.read_bytes()

    def fails_halfway(self, file, format):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fails_halfway)
    with pytest.raises(OSError, match="disk full"):
        write_png(path, torch.zeros(3, 4, 4))
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
