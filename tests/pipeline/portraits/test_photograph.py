"""Every photograph comes in upright and in RGB; anything else is an error of one line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from pipeline.portraits.photograph import is_animated, read_animation, read_photograph

QUADRANTS = np.zeros((24, 32, 3), np.uint8)
QUADRANTS[:12, :16] = (250, 10, 10)
QUADRANTS[:12, 16:] = (10, 250, 10)
QUADRANTS[12:, :16] = (10, 10, 250)
QUADRANTS[12:, 16:] = (240, 240, 240)
"""Red and green above, blue and white below."""


def corners(image: Image.Image) -> list[str]:
    """The colours of the corners: top left, top right, bottom left, bottom right."""
    width, height = image.size
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    places = [(3, 3), (width - 4, 3), (3, height - 4), (width - 4, height - 4)]
    return [names[tuple(int(level > 128) for level in image.getpixel(place))] for place in places]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_each_format_is_read_whatever_its_name(tmp_path, kind):
    path = tmp_path / "photograph.dat"
    Image.fromarray(QUADRANTS).save(path, format=kind)
    image = read_photograph(path)
    assert (image.mode, image.size) == ("RGB", (32, 24))
    assert corners(image) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),
        (3, ["white", "blue", "green", "red"]),
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured(tmp_path, orientation, upright, kind):
    path = tmp_path / "turned"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(QUADRANTS).save(path, format=kind, exif=exif)
    image = read_photograph(path)
    assert image.size == ((24, 32) if orientation > 4 else (32, 24))
    assert corners(image) == upright


@pytest.mark.parametrize(("background", "level"), [(0.0, 0), (1.0, 255)])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_shows_the_background(tmp_path, background, level, mode):
    path = tmp_path / "cut.png"
    pixels = np.full((20, 20, 4), 100, np.uint8)
    pixels[:, :10, 3], pixels[:, 10:, 3] = 0, 255
    image = Image.fromarray(pixels, "RGBA")
    (image.quantize() if mode == "PA" else image.convert(mode)).save(path)
    read = np.asarray(read_photograph(path, background=background))
    assert (read[:, :10] == level).all() and (abs(read[:, 10:].astype(int) - 100) < 3).all()


def test_half_transparent_pixels_are_mixed(tmp_path):
    path = tmp_path / "half.png"
    Image.new("RGBA", (20, 20), (200, 200, 200, 128)).save(path)
    assert read_photograph(path, background=0.0).getpixel((5, 5)) == pytest.approx(
        (100, 100, 100), abs=1
    )


def test_grey_16_bit_and_cmyk_files_become_rgb(tmp_path):
    ramp = np.linspace(0, 65535, 20 * 20).reshape(20, 20)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray((ramp / 257).astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(QUADRANTS).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    Image.fromarray(((ramp // 257) % 2).astype(bool)).save(tmp_path / "one_bit.png")
    deep, grey = (
        np.asarray(read_photograph(tmp_path / name)).astype(int)
        for name in ("deep.png", "grey.png")
    )
    assert abs(deep - grey).max() <= 1 and deep[0, 0, 0] == 0 and deep[-1, -1, 2] == 255
    assert corners(read_photograph(tmp_path / "print.jpg")) == ["red", "green", "blue", "white"]
    assert read_photograph(tmp_path / "one_bit.png").mode == "RGB"


def test_the_first_picture_of_a_phone_s_multi_picture_jpeg_is_read(tmp_path):
    path = tmp_path / "phone.jpg"
    Image.fromarray(QUADRANTS).save(
        path, format="MPO", save_all=True, append_images=[Image.new("RGB", (32, 24))]
    )
    assert corners(read_photograph(path)) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused(tmp_path, kind):
    path = tmp_path / "moving"
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    frames[0].save(path, format=kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"animated \(3 frames\)"):
        read_photograph(path)


def test_one_pixel_is_too_few(tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(ValueError, match="1x1 pixels are too few"):
        read_photograph(tmp_path / "dot.png")


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )


@pytest.mark.parametrize(
    ("width", "height"), [(20000, 20000), (20000, 5000), (2_000_000_000, 2_000_000_000)]
)
def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, width, height):
    path = tmp_path / "huge.png"
    path.write_bytes(png_that_claims(width, height))
    with pytest.raises(ValueError, match="megapixels"):
        read_photograph(path)


def test_a_truncated_photograph_is_damaged(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        whole, format="JPEG"
    )
    for share in (0.3, 0.9):
        path = tmp_path / "cut.jpg"
        path.write_bytes(whole.getvalue()[: int(len(whole.getvalue()) * share)])
        with pytest.raises(ValueError, match=r"damaged|can't be"):
            read_photograph(path)


def animation(kind: str) -> bytes:
    whole = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    frames[0].save(whole, format=kind, save_all=True, append_images=frames[1:])
    return whole.getvalue()


NO_AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow can't write AVIF")


@pytest.mark.parametrize("kind", ["GIF", "PNG", pytest.param("AVIF", marks=NO_AVIF)])
@pytest.mark.parametrize("end", ["cut", "blank"])
def test_an_animation_damaged_anywhere_is_read_or_refused_by_a_sentence(tmp_path, kind, end):
    """Its decoders raise IndexError, struct.error, SyntaxError, RuntimeError, OSError."""
    path, whole = tmp_path / "moving", animation(kind)
    refused = 0
    for kept in range(1, len(whole), 1 if kind != "AVIF" else 11):
        path.write_bytes(whole[:kept] + (b"" if end == "cut" else bytes(len(whole) - kept)))
        for read in (read_photograph, is_animated, lambda file: list(read_animation(file))):
            try:
                read(path)
            except ValueError:
                refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    "content",
    [
        b"hello, I am a text",
        b"\x00" * 100,
        b"%PDF-1.4",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a picture|can't be opened") as caught:
        read_photograph(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_a_missing_one_and_a_folder_have_different_errors(tmp_path):
    (tmp_path / "empty.png").touch()
    for name, sentence in (
        ("empty.png", "empty file"),
        ("missing.png", "no such file"),
        (".", "not a file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read_photograph(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="not a file"):
        read_photograph(tmp_path / "pipe.png")


def test_a_broken_exif_block_does_not_spoil_good_pixels(tmp_path):
    path = tmp_path / "odd.jpg"
    Image.fromarray(QUADRANTS).save(path, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\xff\x01")
    assert corners(read_photograph(path)) == ["red", "green", "blue", "white"]
