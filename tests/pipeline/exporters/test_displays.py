"""Quilts and stereo pairs: sheared cameras against their closed form, order of tiles, files."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.exporters.colors import to_linear, to_srgb
from pipeline.exporters.display_files import DisplaySettings, write_quilt, write_stereo
from pipeline.exporters.off_axis import Frame, depth_of_head, pictures, sheared, widened
from pipeline.exporters.quilt import DISPLAYS, Layout, layout_named, quilted
from pipeline.exporters.stereo import anaglyph
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera

CAMERA = Camera.orbit(torch.tensor([0.3]), torch.tensor([-0.2]), radius=2.7, focal=4.0)


def seen(camera, depth):
    """Where a point of this depth on the middle camera's axis is seen."""
    pose = CAMERA.cam_to_world
    return camera.project((pose[:, :3, 3] + depth * pose[:, :3, 2])[:, None])[0][0, 0].tolist()


@pytest.mark.parametrize("offset", [-0.4, 0.1])
def test_the_plane_of_convergence_stays_and_nearer_points_move_against_the_camera(offset):
    moved = sheared(CAMERA, offset, convergence=2.5)
    assert seen(moved, 2.5) == pytest.approx([0.5, 0.5], abs=1e-6)
    for depth in (2.2, 3.0):
        parallax = 4.0 * offset * (1 / 2.5 - 1 / depth)
        assert seen(moved, depth) == pytest.approx([0.5 + parallax, 0.5], abs=1e-6)
        assert (parallax * offset < 0) == (depth < 2.5)


def test_a_widened_camera_sees_so_many_times_as_much_about_the_middle():
    shifted = sheared(CAMERA, 0.1, 2.0)
    wide = widened(shifted, 2.0, 1.0)
    for depth in (1.5, 3.0):
        (u, v), (wide_u, wide_v) = seen(shifted, depth), seen(wide, depth)
        assert wide_u - 0.5 == pytest.approx((u - 0.5) / 2, abs=1e-6)
        assert wide_v == pytest.approx(v, abs=1e-6)


@pytest.fixture(scope="module")
def pair(head):
    """Two views, 0.16 units apart, that converge on the depth of the head."""
    with use_kernels("fast"):
        distance = depth_of_head(head, head.orbit())
        frame = Frame(96, 96, 1.0)
        offsets = [-0.08, 0.08]
        views = pictures(head, head.orbit(), offsets, convergence=distance, frame=frame, rays=96)
        return distance, list(views)


def test_the_head_is_seen_from_its_own_left_by_the_left_eye(head, pair):
    """Which the camera at −yaw sees, but without its keystone."""
    distance, (left, right) = pair
    assert 2.4 < distance < 2.7  # of the visible surface; the origin is at 2.7
    yaw = math.degrees(math.atan(0.08 / distance))
    with use_kernels("fast"), torch.no_grad():
        renderer = head.lifter.renderer.changed(resolution=96)
        turned = renderer(head.triplane, head.orbit(yaw_deg=-yaw)).image[0]
    turned = ((turned + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()

    def difference(view):
        return np.abs(view.astype(float) - turned).mean()

    assert difference(left) < 0.6 * difference(right)


def test_wide_and_narrow_frames_show_the_same_height(head):
    """A wide tile, resized to its aspect, holds the square picture in its middle."""
    found = {}
    with use_kernels("fast"):
        for aspect in (0.75, 1.0, 16 / 9):
            frame = Frame(round(96 * aspect), 96, aspect)
            (found[aspect],) = pictures(
                head, head.orbit(), [0.0], convergence=2.7, frame=frame, rays=96
            )
    square = found[1.0].astype(float)
    for aspect in (0.75, 16 / 9):
        width = min(96, round(96 * aspect)) - 8
        middles = []
        for picture in (found[aspect].astype(float), square):
            start = (picture.shape[1] - width) // 2
            middles.append(picture[:, start : start + width])
        # rays lie elsewhere, so that pixels at edges differ
        assert np.abs(middles[0] - middles[1]).mean() < 3


def test_the_first_view_is_bottom_left_then_right_then_up():
    layout = Layout(columns=3, rows=2, width=12, height=5, aspect=1.0)
    views = [np.full((2, 4, 3), view, np.uint8) for view in range(6)]
    quilt = quilted(views, layout)
    assert quilt.shape == (4, 12, 3)
    assert quilt[::2, ::4, 0].tolist() == [[3, 4, 5], [0, 1, 2]]
    with pytest.raises(ValueError, match="5 views for 3 x 2"):
        quilted(views[:5], layout)


def test_published_grids_names_and_cameras():
    """docs.lookingglassfactory.com/keyconcepts/quilts, /keyconcepts/camera."""
    assert DISPLAYS["portrait"].file_name == "head_qs8x6a0.75.png"
    assert DISPLAYS["go"].file_name == "head_qs11x6a0.5625.png"
    assert DISPLAYS["65in"].file_name == "head_qs8x9a1.778.png"
    assert (DISPLAYS["portrait"].tile.width, DISPLAYS["portrait"].tile.height) == (420, 560)
    offsets = DISPLAYS["portrait"].offsets(2.0, 35)
    assert len(offsets) == 48 and offsets == sorted(offsets)
    assert offsets[-1] == pytest.approx(2 * math.tan(math.radians(17.5)))
    assert offsets[0] == -offsets[-1]


def test_a_quilt_has_the_displays_name_and_size(head, tmp_path, monkeypatch):
    tiny = Layout(columns=3, rows=1, width=90, height=41, aspect=0.75)
    monkeypatch.setitem(DISPLAYS, "tiny", tiny)
    with use_kernels("fast"):
        (path,) = write_quilt(tmp_path, head, DisplaySettings(quilt="tiny", rays=32), 0.4)
    assert path.name == "head_qs3x1a0.75.png"
    with Image.open(path) as image:
        assert image.size == (90, 41)
        assert "zero parallax 1.0" in image.text["Description"]


def test_a_stereo_pair_and_an_anaglyph_say_their_distances(head, tmp_path):
    settings = DisplaySettings(rays=32, convergence=1.0)
    with use_kernels("fast"):
        files = write_stereo(tmp_path, head, settings, 0.4)
    assert [file.name for file in files] == ["head_sbs.png", "head_anaglyph.png"]
    sizes = []
    for file in files:
        with Image.open(file) as image:
            sizes.append(image.size)
            assert "63 mm between the eyes" in image.text["Description"]
            assert "1.000 m" in image.text["Description"]
    assert sizes == [(64, 32), (32, 32)]


def test_a_label_is_at_the_foot_of_every_view(head, tmp_path, monkeypatch):
    monkeypatch.setitem(DISPLAYS, "tiny", Layout(2, 1, width=128, height=64, aspect=1.0))
    found = {}
    with use_kernels("fast"):
        for label in (None, "synthetic"):
            settings = DisplaySettings(quilt="tiny", rays=64, label=label)
            (tmp_path / str(label)).mkdir()
            files = write_quilt(tmp_path / str(label), head, settings, 0.4)
            files += write_stereo(tmp_path / str(label), head, settings, 0.4)
            found[label] = [np.asarray(Image.open(file)).astype(int) for file in files]
    for plain, marked in zip(found[None], found["synthetic"], strict=True):
        is_other = np.abs(marked - plain).max(-1) > 0
        assert not is_other[:48].any()
        for view in np.split(is_other, is_other.shape[1] // 64, axis=1):
            assert view[52:, 2:40].mean() > 0.3


def test_an_anaglyph_keeps_grey_and_gives_red_to_the_left_eye():
    grey = np.full((1, 1, 3), 130, np.uint8)
    white, black = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert np.abs(anaglyph(grey, grey).astype(int) - 130).max() <= 1
    assert anaglyph(white, black)[0, 0].tolist() == [255, 0, 0]
    assert anaglyph(black, white)[0, 0].tolist() == [0, 255, 255]


def test_srgb_and_linear_light_are_inverse():
    values = np.linspace(0, 1, 101, dtype=np.float32)
    assert to_srgb(to_linear(values)) == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quilt": "17in"}, "displays.quilt is '17in': give one of portrait, go"),
        ({"view_cone_deg": 0}, "displays.view_cone_deg is 0"),
        ({"interpupillary_distance": 63}, "displays.interpupillary_distance is 63: give metres"),
        ({"convergence": -1.0}, "displays.convergence is -1.0"),
        ({"rays": 4}, "displays.rays is 4"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DisplaySettings(**settings)
    assert layout_named("go").columns == 11
