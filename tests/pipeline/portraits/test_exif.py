"""Focal lengths from EXIF: in pixels, and only of photographs that nobody has cropped."""

import math
from pathlib import Path

import pytest
from PIL import Image

from pipeline.portraits.exif import focal_length_px


def photograph(path: Path, size: tuple[int, int], tags: dict[int, int]) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    Image.new("RGB", size, "grey").save(path, exif=exif)
    return path


def test_26_mm_on_a_4_to_3_picture_is_60_percent_of_its_diagonal(tmp_path):
    path = photograph(tmp_path / "a.jpg", (400, 300), {0xA405: 26})
    for source in (path, path.read_bytes()):
        assert focal_length_px(source) == pytest.approx(26 / math.hypot(36, 24) * 500)


def test_reduced_and_turned_copies_count_and_cropped_ones_do_not(tmp_path):
    taken = {0xA405: 26, 0xA002: 4000, 0xA003: 3000}
    assert focal_length_px(photograph(tmp_path / "small.jpg", (400, 300), taken)) is not None
    assert focal_length_px(photograph(tmp_path / "turned.jpg", (300, 400), taken)) is not None
    assert focal_length_px(photograph(tmp_path / "cropped.jpg", (400, 400), taken)) is None
    assert focal_length_px(photograph(tmp_path / "square.jpg", (400, 400), {0xA405: 26})) is None


@pytest.mark.parametrize("tags", [{}, {0xA405: 0}, {0xA405: 5000}])
def test_without_a_plausible_number_nothing_is_known(tmp_path, tags):
    assert focal_length_px(photograph(tmp_path / "a.jpg", (400, 300), tags)) is None


def test_files_that_are_no_pictures_have_none(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    assert focal_length_px(tmp_path / "a.jpg") is None
    assert focal_length_px(tmp_path / "gone.jpg") is None
    assert focal_length_px(b"no picture") is None
