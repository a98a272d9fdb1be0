"""Whatever lies in a folder comes out as portraits, in order; nothing is dropped."""

import hashlib
import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pipeline.evaluation
from pipeline.portraits import mean_face
from pipeline.portraits.cached_landmarks import CachedLandmarks
from pipeline.portraits.cascade import CascadeDetector
from pipeline.portraits.face import DetectedFace, Picture
from pipeline.portraits.facemesh.detector import FaceMeshDetector
from pipeline.portraits.film import read_pictures
from pipeline.portraits.framing import CentreSquare, FaceCrops, WholePicture
from pipeline.portraits.front_door import Portrait, PortraitSettings, read_portraits

ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"
FIVE = np.array([[40.0, 30], [60, 30], [50, 42], [42, 52], [58, 52]])


def read(path: Path, framing, resolution: int = 16, **frames) -> list[Portrait]:
    return list(
        read_portraits(path, PortraitSettings(framing=framing, **frames), resolution=resolution)
    )


def grey(path: Path, size=(100, 80)) -> Path:
    Image.new("RGB", size, "grey").save(path)
    return path


def faces_at(*middles) -> str:
    return json.dumps(
        {"landmarks": [(FIVE - FIVE.mean(0) + middle).tolist() for middle in middles]}
    )


def test_a_good_picture_a_bad_one_and_one_without_a_face_all_come_out(tmp_path):
    grey(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(faces_at((50, 40)))
    (tmp_path / "b.png").write_text("no picture")
    grey(tmp_path / "c.png")
    (tmp_path / "c.json").write_text('{"landmarks": []}')
    grey(tmp_path / "d.png")
    good, bad, faceless, unknown = read(tmp_path, FaceCrops(CachedLandmarks()))
    assert (
        good.face_found
        and good.image.shape == (3, 16, 16)
        and len(good.camera) == 1
        and good.note == ""
    )
    assert good.source_sha256 == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert (
        bad.image is None
        and bad.camera is None
        and "not a picture" in bad.note
        and not bad.face_found
    )
    assert (
        not faceless.face_found
        and faceless.camera is None
        and faceless.crop.size == 80
        and "no face found" in faceless.note
    )
    assert unknown.image is None and "no landmarks" in unknown.note
    assert [portrait.name for portrait in (good, bad, faceless, unknown)] == ["a", "b", "c", "d"]
    json.dumps([portrait.record() for portrait in (good, bad, faceless, unknown)])


@pytest.mark.parametrize(
    ("faces", "left"), [("largest", [100]), ("nearest_centre", [150]), ("all", [60, 100, 150])]
)
def test_of_several_faces_the_configured_ones_are_taken_with_a_note(tmp_path, faces, left):
    class Three:
        name = "three"

        def detect(self, picture: Picture) -> list[DetectedFace]:
            return [
                DetectedFace(150, 90, 20, 20),
                DetectedFace(60, 20, 15, 15),
                DetectedFace(100, 10, 30, 30),
            ]

    portraits = read(grey(tmp_path / "a.png", (320, 200)), FaceCrops(Three(), faces))
    middles = {60: 67.5, 100: 115.0, 150: 160.0}
    assert [p.crop.left + p.crop.size / 2 for p in portraits] == pytest.approx(
        [middles[x] for x in left]
    )
    assert all(
        "3 faces" in p.note and "pose unknown" in p.note and p.camera is None for p in portraits
    )
    assert [p.name for p in portraits] == ["a", "a+face2", "a+face3"][: len(left)]
    with pytest.raises(ValueError, match="largest, nearest_centre, all, or a number"):
        FaceCrops(Three(), "first")


def test_a_face_at_the_edge_is_cropped_with_a_remark(tmp_path):
    grey(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(faces_at((10, 10)))
    (portrait,) = read(tmp_path / "a.png", FaceCrops(CachedLandmarks()))
    assert "lie outside the picture" in portrait.note and portrait.image is not None


def test_a_matte_leaves_the_person_and_makes_the_rest_the_background():
    framing = FaceCrops(FaceMeshDetector())
    (plain,) = read(ASTRONAUT, framing, 64)
    (matted,) = read(ASTRONAUT, framing, 64, matte=True)
    torch.testing.assert_close(
        matted.image[:, 20:50, 20:44], plain.image[:, 20:50, 20:44], atol=0.05, rtol=0
    )
    corners = matted.image[:, 2:6, [2, 3, 4, -4, -3, -2]]
    assert corners.min() > 0.9 and plain.image[:, 2:6, [2, 3, 4, -4, -3, -2]].min() < 0.8
    assert matted.crop == plain.crop and matted.note == plain.note


def test_landmarks_that_are_no_face_are_doubted(tmp_path):
    grey(tmp_path / "a.png")
    points = FIVE.copy()
    points[1] += (0, 20)
    (tmp_path / "a.json").write_text(json.dumps({"landmarks": points.tolist()}))
    (portrait,) = read(tmp_path / "a.png", FaceCrops(CachedLandmarks()))
    assert "pose doubtful" in portrait.note and portrait.camera is not None


@pytest.mark.parametrize("place", [(0.0, 0.0), (40.3, 0.1)])
def test_landmarks_in_one_place_give_the_middle_and_say_so(tmp_path, place):
    grey(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps({"landmarks": [place] * 5}))
    (portrait,) = read(tmp_path / "a.png", FaceCrops(CachedLandmarks()))
    assert (portrait.crop.left, portrait.crop.size, portrait.camera) == (10, 80, None)
    assert not portrait.face_found and "no face found" in portrait.note


def test_landmarks_count_for_the_upright_picture(tmp_path):
    """A phone's photograph, stored sideways: the crop is cut where the landmarks say, after it is
    turned.
    """
    pixels = np.zeros((200, 100, 3), np.uint8)
    pixels[100:] = 255
    exif = Image.Exif()
    exif[0x0112] = 8  # turn by a quarter to the left
    Image.fromarray(np.rot90(pixels, -1).copy()).save(tmp_path / "a.png", exif=exif)
    (tmp_path / "a.json").write_text(faces_at((50, 40)))
    (portrait,) = read(tmp_path / "a.png", FaceCrops(CachedLandmarks()), 32)
    assert portrait.overview.shape[:2] == (200, 100) and portrait.image[:, 4:-10].max() < 0


def test_whole_takes_squares_only_and_centre_the_middle(tmp_path):
    grey(tmp_path / "a.png", (40, 40))
    (portrait,) = read(tmp_path / "a.png", WholePicture())
    assert (portrait.crop.left, portrait.crop.size, portrait.face_found, portrait.camera) == (
        0,
        40,
        True,
        None,
    )
    grey(tmp_path / "a.png", (50, 40))
    assert "no square" in read(tmp_path / "a.png", WholePicture())[0].note
    assert read(tmp_path / "a.png", CentreSquare())[0].crop.left == 5


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_a_sequence_of_frames(tmp_path, kind):
    frames = [Image.new("RGB", (32, 32), (level, level, level)) for level in (0, 60, 120, 180, 240)]
    frames[0].save(
        tmp_path / "moving", format=kind, save_all=True, append_images=frames[1:], lossless=True
    )
    portraits = read(tmp_path / "moving", CentreSquare(), every=2, most=2)
    assert [(p.name, p.frame) for p in portraits] == [
        ("moving+frame00000", 0),
        ("moving+frame00002", 2),
    ]
    assert [round(float((p.image.mean() + 1) * 127.5)) for p in portraits] == pytest.approx(
        [0, 120], abs=3
    )


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_film_is_a_sequence_of_frames(tmp_path, suffix):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / f"clip{suffix}"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in (10, 90, 170, 250):
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(
                        np.full((48, 64, 3), level, np.uint8), format="rgb24"
                    )
                )
            )
        container.mux(stream.encode())
    pictures = list(read_pictures(tmp_path / f"clip{suffix}", every=3))
    assert [number for number, _ in pictures] == [0, 3] and pictures[0][1].size == (64, 48)
    assert [float(np.asarray(image).mean()) for _, image in pictures] == pytest.approx(
        [10, 250], abs=6
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no film",
        b"#EXTM3U\nhttp://localhost/a.ts\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
    ],
)
def test_what_is_called_a_film_and_is_none_is_refused_and_no_playlist_is_followed(
    tmp_path, content
):
    pytest.importorskip("av")
    (tmp_path / "clip.mp4").write_bytes(content)
    (portrait,) = read(tmp_path / "clip.mp4", CentreSquare())
    assert portrait.image is None and (
        "damaged film" in portrait.note or "empty file" in portrait.note
    )


def test_a_file_that_is_gone_is_a_portrait_with_a_sentence_but_no_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "gone.png", CentreSquare())


def test_the_mean_face_s_own_picture_is_framed_as_eg3d_would(tmp_path):
    grey(tmp_path / "a.png", (700, 700))
    points = mean_face.DECIMETRES[:, :2] * (1, -1) * 300 + 350
    (tmp_path / "a.json").write_text(json.dumps({"landmarks": points.tolist()}))
    (portrait,) = read(tmp_path / "a.png", FaceCrops(CachedLandmarks()))
    assert (portrait.crop.left, portrait.crop.top, portrait.crop.size) == pytest.approx(
        (0, 0, 700), abs=1e-6
    )


def test_box_and_landmarks_of_a_real_photograph_give_nearly_the_same_crop():
    pytest.importorskip("skimage")
    (boxed,) = read(ASTRONAUT, FaceCrops(CascadeDetector()))
    (marked,) = read(ASTRONAUT, FaceCrops(CachedLandmarks()))
    assert boxed.camera is None and "pose unknown" in boxed.note and marked.note == ""
    middles = [
        np.array([crop.left, crop.top]) + crop.size / 2 for crop in (boxed.crop, marked.crop)
    ]
    assert np.abs(middles[0] - middles[1]).max() < 0.05 * marked.crop.size
    assert boxed.crop.size == pytest.approx(marked.crop.size, rel=0.12)
    x, y, z = marked.camera.cam_to_world[0, :3, 3].tolist()
    assert abs(np.degrees(np.arctan2(x, z))) < 10 and abs(np.degrees(np.arcsin(y / 2.7))) < 15
    assert marked.crop.roll_deg == pytest.approx(2.5, abs=2.5)


def test_a_phone_s_film_is_turned_upright(tmp_path):
    """A matrix in the file's track header takes the stored top left corner to the top right one, as
    phones held upright write it.
    """
    av = pytest.importorskip("av")
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 255
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode())
    content = bytearray((tmp_path / "clip.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one = 0x10000
    content[matrix : matrix + 36] = struct.pack(
        ">9i", 0, one, 0, -one, 0, 0, 48 * one, 0, 0x40000000
    )
    (tmp_path / "clip.mp4").write_bytes(content)
    ((_, image),) = read_pictures(tmp_path / "clip.mp4")
    assert image.size == (48, 64)
    bright = [image.getpixel(place)[0] > 128 for place in ((6, 6), (41, 6), (6, 57), (41, 57))]
    assert bright == [False, True, False, False]


def film_of(path, pixels, *, matrix=None, codec="mpeg4", pix_fmt="yuv420p", **context) -> None:
    """One frame; `matrix`: the nine numbers of the track header."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = pixels.shape[1], pixels.shape[0], pix_fmt
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format=kind)))
        container.mux(stream.encode())
    if matrix is not None:
        content = bytearray(path.read_bytes())
        at = content.index(b"tkhd") + 4 + 40
        content[at : at + 36] = struct.pack(">9i", *matrix)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("matrix", "bright"),
    [
        ((-1, 0, 0, 1), (1, 0)),
        ((1, 0, 0, -1), (0, 1)),
        ((0, 1, 1, 0), (0, 0)),
        ((0, -1, -1, 0), (1, 1)),
    ],
    ids=["mirrored", "upside down", "transposed", "transverse"],
)
def test_a_mirrored_film_is_shown_as_players_do(tmp_path, matrix, bright):
    """A bright corner, stored at the top left, goes where the matrix takes it."""
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 255
    a, b, c, d = (one * 0x10000 for one in matrix)
    film_of(tmp_path / "a.mp4", stored, matrix=(a, b, 0, c, d, 0, 0, 0, 0x40000000))
    ((_, image),) = read_pictures(tmp_path / "a.mp4")
    assert image.size == ((64, 48) if matrix[0] else (48, 64))
    place = [side - 7 if far else 6 for far, side in zip(bright, image.size, strict=True)]
    assert image.getpixel(tuple(place))[0] > 128 and np.asarray(image).mean() < 90


def test_pixels_of_a_film_that_are_not_square_become_square(tmp_path):
    film_of(tmp_path / "a.mp4", np.zeros((48, 64, 3), np.uint8), sample_aspect_ratio=Fraction(2, 1))
    ((_, image),) = read_pictures(tmp_path / "a.mp4")
    assert image.size == (128, 48)


def test_a_transparent_film_shows_the_background(tmp_path):
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:] = (200, 10, 10, 255)
    film_of(tmp_path / "a.mov", pixels, codec="qtrle", pix_fmt="argb")
    ((_, image),) = read_pictures(tmp_path / "a.mov", background=1.0)
    assert image.getpixel((4, 4)) == (255, 255, 255) and image.getpixel((28, 4)) == (200, 10, 10)
