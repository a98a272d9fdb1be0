"""COLMAP's models as people have them: odd names, binary, below sparse/0, with broken lines."""

import struct

import numpy as np
import pytest

from pipeline.portraits.cameras.colmap import has_points, read_colmap
from pipeline.portraits.cameras.files import format_of, read_cameras

LENS = "1 PINHOLE 64 48 273 273 32 24"
PLACED = "0.5 0.5 0.5 0.5 0.1 0.2 2.7"
POINTS = "10.5 20.5 3 11 22 -1"


def model(folder, names, *, points="", cameras=LENS, placed=PLACED):
    folder.mkdir(parents=True)
    lines = [line for i, n in enumerate(names, 1) for line in (f"{i} {placed} 1 {n}", points)]
    (folder / "images.txt").write_text("# list\n" + "\n".join(lines) + "\n")
    (folder / "cameras.txt").write_text(f"# lenses\n{cameras}\n")
    return folder


@pytest.mark.parametrize("points", ["", POINTS, f"{POINTS} 7 8 9 1"[:-2]])
@pytest.mark.parametrize("names", [["000001", "000002"], ["1e5", "nan"], ["a b.png", "7 8"]])
def test_names_may_be_numbers(tmp_path, names, points):
    assert read_colmap(model(tmp_path / "m", names, points=points)).names == names


def test_images_without_lines_of_points_are_read(tmp_path):
    folder = model(tmp_path / "m", ["a.png", "b.png", "c.png"])
    text = (folder / "images.txt").read_text()
    (folder / "images.txt").write_text("".join(line + "\n" for line in text.split("\n") if line))
    assert read_colmap(folder).names == ["a.png", "b.png", "c.png"]


FOUR = "10.5 20.5 1 30.5 40.5 2 50 60 2 70 80 1"
A, B = (f"{number} {PLACED} 1 {name}" for number, name in ((1, "a.png"), (2, "b.png")))


@pytest.mark.parametrize(
    "lines",
    [
        ["", A, FOUR, B, FOUR],
        ["", "", A, "", B, FOUR],
        [A, FOUR, "", B, FOUR],
        [A, FOUR.replace(".5", ""), "", B, FOUR],
        [A, "", "", "", B],
    ],
)
def test_superfluous_empty_lines_move_no_line_of_points(tmp_path, lines):
    folder = model(tmp_path / "m", [])
    (folder / "images.txt").write_text("# list\n" + "\n".join(lines) + "\n")
    assert read_colmap(folder).names == ["a.png", "b.png"]
    assert has_points(folder) == (FOUR in lines)


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([A, f"{FOUR} 5 5", B], 3),
        ([A, "10 20 1 30 40 2 50 60 2 70 80", B, FOUR], 3),
        ([A, FOUR, B, "10.5 20.5"], 5),
        ([A, FOUR.replace(".5", ""), B.replace("0.2", "x"), ""], 4),
        ([A, POINTS, B, A.replace("a", "c"), POINTS], 5),
        ([A, POINTS, POINTS, B], 4),
        ([f"1 {PLACED} 1 001", f"{FOUR} 5 5", f"2 {PLACED} 1 002", FOUR], 3),
    ],
)
def test_lines_of_points_that_do_not_alternate_with_images_are_named(tmp_path, lines, number):
    folder = model(tmp_path / "m", [])
    (folder / "images.txt").write_text("# list\n" + "\n".join(lines) + "\n")
    with pytest.raises(
        ValueError, match=rf"images\.txt, line {number}: .*expected a line of points"
    ):
        read_colmap(folder)
    assert has_points(folder)


@pytest.mark.parametrize("between", [[], ["", ""], [FOUR, ""]])
def test_names_may_be_numbers_where_lines_do_not_alternate(tmp_path, between):
    folder = model(tmp_path / "m", [])
    lines = [f"1 {PLACED} 1 001", *between, f"2 {PLACED} 1 002", *between]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    assert read_colmap(folder).names == ["001", "002"]
    assert has_points(folder) == (FOUR in lines)


def test_lenses_that_no_image_uses_do_not_matter(tmp_path):
    cameras = f"{LENS}\n2 OPENCV_FISHEYE 0 0 9 9 9 9 0 0 0 0"
    assert len(read_colmap(model(tmp_path / "m", ["a"], cameras=cameras))) == 1


def test_a_byte_order_mark_and_names_that_are_no_utf8_are_read(tmp_path):
    folder = model(tmp_path / "m", ["a.png"])
    content = (folder / "images.txt").read_bytes().replace(b"a.png", b"M\xfcller.png")
    (folder / "images.txt").write_bytes(content)
    (folder / "cameras.txt").write_bytes(b"\xef\xbb\xbf" + LENS.encode())
    assert read_colmap(folder).names == ["M\udcfcller.png"]


def test_the_model_of_a_project_lies_in_sparse_0(tmp_path):
    model(tmp_path / "project" / "sparse" / "0", ["a.png"])
    assert format_of(tmp_path / "project") == "colmap"
    assert read_cameras(tmp_path / "project").names == ["a.png"]


def test_a_binary_model_is_the_same_as_its_text(tmp_path):
    text = read_colmap(model(tmp_path / "text", ["a.png", "2"]))
    binary = tmp_path / "binary"
    binary.mkdir()
    (binary / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 1, 1, 64, 48, 273, 273, 32, 24))
    images = struct.pack("<Q", 2)
    for number, name in ((1, b"a.png"), (2, b"2")):
        images += struct.pack("<i7di", number, *map(float, PLACED.split()), 1) + name + b"\0"
        images += struct.pack("<Qddq", 1, 10.5, 20.5, -1)
    (binary / "images.bin").write_bytes(images)
    read = read_cameras(binary)
    assert read.names == text.names
    np.testing.assert_array_equal(read.cam_to_world, text.cam_to_world)
    np.testing.assert_array_equal(read.intrinsics, text.intrinsics)
    np.testing.assert_array_equal(read.sizes, text.sizes)
    (binary / "images.bin").write_bytes(images[:60])
    with pytest.raises(ValueError, match=r"images\.bin, byte .*cut off"):
        read_cameras(binary)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cameras": "1 PINHOLE 0 0 5 5 1 1"}, r"cameras\.txt, line 2: .* 0 x 0 pixels"),
        ({"cameras": "1 PINHOLE wide 48 5 5 1 1"}, r"cameras\.txt, line 2: '1 PINHOLE wide"),
        ({"cameras": "1 PINHOLE 64 48 nan 5 1 1"}, r"line 2: .*focal lengths nan"),
        ({"cameras": "1 PINHOLE 64 48 5 5"}, r"line 2: camera 1 has 2 parameters"),
        ({"cameras": "1 SIMPLE_RADIAL 64 48 5 1 1 0.1"}, r"line 2: .*distorted lens"),
        ({"placed": "0 0 0 0 0 0 2.7"}, r"images\.txt, line 2: a\.png has the quaternion \[0\.0"),
        ({"placed": "1 0 0 0 0 0 inf"}, r"images\.txt, line 2: a\.png .*inf"),
        ({"placed": "1 0 0 x 0 0 1"}, r"images\.txt, line 2: '1 1 0 0 x 0 0 1"),
    ],
)
def test_a_broken_line_is_named_by_its_number(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        read_colmap(model(tmp_path / "m", ["a.png"], **changed))
