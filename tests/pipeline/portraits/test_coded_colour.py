"""Films and pictures of high dynamic range show the colours that they were made from."""

import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, features

from pipeline.portraits.code_points import code_points
from pipeline.portraits.coded_colour import CodedColour, rgb_signal, to_srgb
from pipeline.portraits.colour import NOTE
from pipeline.portraits.film import read_pictures
from pipeline.portraits.photograph import decode_picture, read_photograph
from tests.colour_spaces import BT2020, DISPLAY_P3, in_primaries

PATCHES = np.array(
    [
        [255, 255, 255],
        [128, 128, 128],
        [198, 134, 104],
        [94, 60, 45],
        [40, 90, 160],
        [30, 120, 60],
        [200, 40, 40],
        [12, 12, 12],
    ]
)
"""sRGB: white, grey, skin, …, each a square of 32 pixels in two rows."""

PQ, HLG = 16, 18


def picture(values: np.ndarray) -> np.ndarray:
    """The patches' values as a picture of 64x128."""
    return values.reshape(2, 4, 3).repeat(32, 0).repeat(32, 1)


def patches(image) -> np.ndarray:
    """The middles of the patches."""
    return np.asarray(image)[16::32, 16::32].reshape(-1, 3).astype(int)


def signal(transfer: int) -> np.ndarray:
    """The patches in PQ or HLG with BT.2020's primaries, white at 203 cd/m²."""
    light = in_primaries(PATCHES, BT2020).clip(0, 1) * 203
    if transfer == PQ:
        power = (light / 10000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    luminance = (light / 1000) @ [0.2627, 0.6780, 0.0593]
    scene = light / 1000 * (luminance ** (1 / 1.2 - 1))[:, None]
    low, high = np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9))
    return np.where(scene <= 1 / 12, low, high + 0.55991073)


def in_wide(primaries) -> np.ndarray:
    """The patches in other primaries with sRGB's curve, in [0, 1]."""
    light = in_primaries(PATCHES, primaries).clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def film(path, values: np.ndarray, codec: str, transfer: int, pix_fmt: str) -> None:
    """Two frames in BT.2020's Y'CbCr of limited range, 10 bits, tagged as phones do."""
    av = pytest.importorskip("av")
    name = {PQ: "smpte2084", HLG: "arib-std-b67", 14: "bt2020-10"}[transfer]
    red, blue = 0.2627, 0.0593
    luma = values @ [red, 1 - red - blue, blue]
    chroma = [(values[..., 2] - luma) / 2 / (1 - blue), (values[..., 0] - luma) / 2 / (1 - red)]
    half = 2 if "420" in pix_fmt else 1
    planes = [876 * luma + 64, *(896 * plane[::half, ::half] + 512 for plane in chroma)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = values.shape[1], values.shape[0], pix_fmt
        # without B-frames: with two frames the muxer of MP4 now and then refuses their order
        params = f"colormatrix=bt2020nc:colorprim=bt2020:transfer={name}:bframes=0"
        quiet = ":log-level=none" if codec == "libx265" else ""
        stream.options = {"crf": "4", f"{codec[3:]}-params": params + quiet}
        for tag, value in (("color_primaries", 9), ("color_trc", transfer), ("colorspace", 9)):
            setattr(stream.codec_context, tag, value)
        for number in range(2):
            frame = av.VideoFrame(values.shape[1], values.shape[0], pix_fmt)
            for plane, levels in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
                rows[:, : levels.shape[1]] = levels.round()
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [("libx265", ".mp4", "yuv420p10le"), ("libx264", ".mkv", "yuv444p10le")],
)
def test_an_hdr_film_shows_its_patches_in_srgb(tmp_path, transfer, codec, suffix, pix_fmt):
    path = tmp_path / f"a{suffix}"
    film(path, picture(signal(transfer)), codec, transfer, pix_fmt)
    first, second = read_pictures(path)
    assert (first[0], second[0]) == (0, 1)
    assert np.abs(patches(first[1]) - PATCHES).max() <= 2
    kind = {PQ: "PQ", HLG: "HLG"}[transfer]
    assert first[1].info[NOTE].startswith(f"converted from {kind} to sRGB")


def test_a_film_of_standard_range_in_wide_primaries_shows_its_colours(tmp_path):
    film(tmp_path / "a.mp4", picture(in_wide(BT2020)), "libx265", 14, "yuv420p10le")
    ((_, image),) = read_pictures(tmp_path / "a.mp4", most=1)
    assert np.abs(patches(image) - PATCHES).max() <= 2 and NOTE not in image.info


def test_published_points_of_the_curves():
    """BT.2408, table 1: 203 cd/m² is 58 % of PQ's signal and 75 % of HLG's."""
    for transfer, level in ((PQ, 0.58), (HLG, 0.75)):
        grey = np.full((1, 1, 3), level, np.float32)
        white = to_srgb(grey, CodedColour(9, transfer))
        assert white.min() >= 253
        assert to_srgb(grey * 0.9, CodedColour(9, transfer)).max() < 245
    bright = to_srgb(np.ones((1, 1, 3), np.float32), CodedColour(9, HLG))
    assert (bright == 255).all() and not to_srgb(grey * 0, CodedColour(9, PQ)).any()


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("is_full_range", [True, False])
def test_levels_of_any_depth_and_range_are_the_same_signal(bits, is_full_range):
    unit, most = 2 ** (bits - 8), 2**bits - 1
    black, white = (0, most) if is_full_range else (16 * unit, 235 * unit)
    codes = np.full((1, 2, 3), 128 * unit, np.uint16)
    codes[0, :, 0] = black, white
    found = rgb_signal(codes, bits=bits, matrix=9, is_full_range=is_full_range)
    assert np.allclose(found[0], [[0, 0, 0], [1, 1, 1]], atol=1e-6)


def test_colours_that_have_no_equation_here_are_refused_by_number():
    with pytest.raises(ValueError, match="matrix 14 of"):
        rgb_signal(np.zeros((1, 1, 3), np.uint16), bits=10, matrix=14, is_full_range=False)
    with pytest.raises(ValueError, match="primaries 22 of"):
        to_srgb(np.zeros((1, 1, 3), np.float32), CodedColour(22, PQ))


def png(path, levels: np.ndarray, colour: CodedColour) -> None:
    Image.fromarray(levels).save(path)
    chunk = b"cICP" + bytes([colour.primaries, colour.transfer, 0, 1])
    chunk = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk + content[33:])


def avif(path, levels: np.ndarray, colour: CodedColour) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow can't write AVIF")
    Image.fromarray(levels).save(path, quality=100, subsampling="4:4:4")
    content = bytearray(path.read_bytes())
    at = content.index(b"nclx") + 4
    content[at : at + 4] = struct.pack(">HH", colour.primaries, colour.transfer)
    path.write_bytes(content)


def heic(path, levels: np.ndarray, colour: CodedColour) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heic isn't installed")
    heif.from_pillow(Image.fromarray(levels)).save(
        path,
        quality=100,
        chroma=444,
        color_primaries=colour.primaries,
        transfer_characteristics=colour.transfer,
        matrix_coefficients=6,
        full_range_flag=1,
    )


WRITERS = {".png": png, ".avif": avif, ".heic": heic}


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("suffix", WRITERS)
def test_hdr_pictures_show_their_patches_and_say_so(tmp_path, suffix, transfer):
    path, colour = tmp_path / f"a{suffix}", CodedColour(9, transfer)
    WRITERS[suffix](path, picture((signal(transfer) * 255).round().astype(np.uint8)), colour)
    assert code_points(path) == code_points(path.read_bytes()) == colour
    for image in (read_photograph(path), decode_picture(path)):
        assert np.abs(patches(image) - PATCHES).max() <= 8  # from 8 bits, and compressed
        assert image.info[NOTE] == colour.note
    ((_, image),) = read_pictures(path)
    assert image.info[NOTE] == colour.note


@pytest.mark.parametrize("suffix", WRITERS)
def test_display_p3_by_code_points_is_converted(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    levels = picture((in_wide(DISPLAY_P3) * 255).round().astype(np.uint8))
    assert np.abs(patches(levels) - PATCHES).max() > 12  # what ignoring them costs
    WRITERS[suffix](path, levels, CodedColour(12, 13))
    image = read_photograph(path)
    assert np.abs(patches(image) - PATCHES).max() <= 8 and NOTE not in image.info


def test_of_pictures_without_code_points_nothing_is_said(tmp_path):
    Image.fromarray(picture(PATCHES).astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(picture(PATCHES).astype(np.uint8)).save(tmp_path / "a.jpg")
    assert code_points(tmp_path / "a.png") is None and code_points(tmp_path / "a.jpg") is None
    for damaged in (b"\0\0\0\x18ftypheic", b"\0\0\0\x0cftyp\0\0\0\x10meta\0\0\0\0\0\0\0\0"):
        assert code_points(damaged) is None
