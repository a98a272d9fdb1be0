"""Whatever a picture's file holds, its pixels come out upright, in 8 bits and in sRGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.portraits.photograph import decode_picture, read_mask, read_photograph
from pipeline.portraits.pixels import opaque
from tests.colour_spaces import ADOBE_RGB, DISPLAY_P3, encoded, grey_profile, profile

LEVELS = np.arange(60, 200, 20, dtype=np.uint8)
COLOURS = np.stack(np.meshgrid(LEVELS, LEVELS, LEVELS[1:4]), -1).reshape(7, 21, 3)
"""Inside every gamut."""


def file_of(pixels, kind: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(content, kind, **options)
    return content.getvalue()


def off_by(picture: Image.Image, pixels: np.ndarray) -> int:
    """The largest difference in any channel, levels."""
    return int(np.abs(np.asarray(picture.convert("RGB"), int) - pixels).max())


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
def test_colours_of_a_wide_space_come_out_in_srgb(primaries):
    wide = encoded(COLOURS, primaries, 2.2)
    icc = profile(primaries, 2.2)
    assert np.abs(wide.astype(int) - COLOURS).max() > 8  # what ignoring the profile costs
    assert off_by(decode_picture(file_of(wide, icc_profile=icc)), COLOURS) <= 3
    alpha = np.full_like(wide[..., :1], 77)
    read = decode_picture(file_of(np.concatenate([wide, alpha], -1), icc_profile=icc))
    assert read.mode == "RGBA" and off_by(read, COLOURS) <= 3
    assert read.getchannel("A").getextrema() == (77, 77)
    palette = Image.fromarray(wide).quantize(147)
    assert off_by(decode_picture(file_of(palette, icc_profile=icc)), COLOURS) <= 3


@pytest.mark.parametrize(
    ("space", "index", "is_converted"),
    [(0xFFFF, "R03", True), (0xFFFF, "R98", False), (1, "R03", False), (0xFFFF, None, False)],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_adobe_rgb_by_exif_alone_comes_out_in_srgb(kind, space, index, is_converted):
    """Cameras set to Adobe RGB write EXIF's ColorSpace 65535 and the index R03, and no profile."""
    wide = encoded(COLOURS, ADOBE_RGB, 563 / 256).repeat(16, 0).repeat(16, 1)
    exif = Image.Exif()
    exif[0x0112] = 1
    exif.get_ifd(0x8769)[0xA001] = space
    if index is not None:
        exif.get_ifd(0x8769)[0xA005] = {0x0001: index}
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    content = file_of(wide, kind, exif=exif, **options)
    read = np.asarray(decode_picture(content), int)[8::16, 8::16]
    expected = COLOURS if is_converted else wide[8::16, 8::16]
    assert np.abs(read - expected).max() <= 5
    own = file_of(wide, kind, exif=exif, icc_profile=profile(DISPLAY_P3, 2.2), **options)
    other = file_of(wide, kind, icc_profile=profile(DISPLAY_P3, 2.2), **options)
    assert np.array_equal(*(np.asarray(decode_picture(file)) for file in (own, other)))


def test_the_front_door_converts_phones_colours(tmp_path):
    wide = encoded(COLOURS, DISPLAY_P3, 2.2).repeat(16, 0).repeat(16, 1)
    (tmp_path / "phone.jpg").write_bytes(
        file_of(wide, "JPEG", quality=98, subsampling=0, icc_profile=profile(DISPLAY_P3, 2.2))
    )
    read = np.asarray(read_photograph(tmp_path / "phone.jpg"), int)
    assert np.abs(read[8::16, 8::16] - COLOURS).max() <= 5


def test_pictures_that_call_themselves_srgb_keep_every_level():
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    every = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, 2)
    assert off_by(decode_picture(file_of(every, icc_profile=icc)), every) == 0
    grey = Image.fromarray(every[..., 0])
    assert off_by(decode_picture(file_of(grey, icc_profile=icc)), every) == 0


def test_grey_with_another_curve_is_converted_in_8_and_in_16_bits():
    true = np.arange(120, 256, 5, dtype=np.uint8)[None]
    linear = ((true / 255 + 0.055) / 1.055) ** 2.4
    icc, rgb = grey_profile(1.0), true[..., None].repeat(3, 2)
    deep = Image.fromarray((linear * 65535).round().astype(np.uint16))
    shallow = Image.fromarray((linear * 255).round().astype(np.uint8))
    assert off_by(decode_picture(file_of(shallow, icc_profile=icc)), rgb) <= 6
    assert off_by(decode_picture(file_of(deep, icc_profile=icc)), rgb) <= 6


@pytest.mark.parametrize("icc", [b"no profile", grey_profile(1.0)], ids=["damaged", "of grey"])
def test_a_profile_that_does_not_belong_to_the_pixels_changes_nothing(icc):
    assert off_by(decode_picture(file_of(COLOURS, icc_profile=icc)), COLOURS) == 0


def test_a_level_that_a_16_bit_picture_calls_transparent_is():
    pixels = np.full((4, 6), 30000, np.uint16)
    pixels[:, :2] = 4660
    read = decode_picture(file_of(Image.fromarray(pixels), transparency=4660))
    assert read.mode == "RGBA" and read.getpixel((0, 0))[3] == 0
    assert read.getpixel((5, 0)) == (117, 117, 117, 255)


def test_what_is_behind_a_transparent_picture_has_to_be_known():
    pixels = np.full((4, 4, 4), 255, np.uint8)
    assert opaque(decode_picture(file_of(pixels))).mode == "RGB"
    pixels[0, 0, 3] = 254
    with pytest.raises(ValueError, match="composite the picture over its background"):
        opaque(decode_picture(file_of(pixels)))


def test_masks_are_read_by_their_levels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = np.zeros((2, 3), np.uint16)
    mask[0] = 65535
    (tmp_path / "deep.png").write_bytes(file_of(Image.fromarray(mask), exif=exif))
    assert read_mask(tmp_path / "deep.png").tolist() == [[[0, 1], [0, 1], [0, 1]]]
    (tmp_path / "labels.png").write_bytes(file_of(np.eye(4, dtype=np.uint8)))
    with pytest.raises(ValueError, match="levels are 0 and 1"):
        read_mask(tmp_path / "labels.png")
