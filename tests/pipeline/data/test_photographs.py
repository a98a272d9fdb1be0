import io
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.data.photographs import BadDataset, Photographs, validate_photographs, write_dataset
from pipeline.worlds.dataset_zip import png_bytes
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

CAMERA = Camera.orbit(torch.tensor([0.3, -0.2, 0.0]), torch.tensor([0.1, 0.0, -0.2]))


def picture(size: int = 8, channels: int = 3, seed: int = 0) -> bytes:
    return png_bytes(np.random.default_rng(seed).integers(0, 256, (size, size, channels), np.uint8))


def labels() -> list[list[float]]:
    return CAMERA.label().tolist()


def write(path, label_list=None, pictures=None, **extra):
    pictures = pictures or [picture(seed=number) for number in range(3)]
    return write_dataset(
        path / "photographs.zip", zip(pictures, label_list or labels(), strict=True), extra
    )


def test_what_was_written_is_read(tmp_path):
    pictures = [picture(seed=number) for number in range(3)]
    photographs = Photographs(write(tmp_path, pictures=pictures))
    assert len(photographs) == 3 and (photographs.resolution, photographs.channels) == (8, 3)
    expected = np.asarray(Image.open(io.BytesIO(pictures[1]))).transpose(2, 0, 1)
    assert np.array_equal(photographs[1].pixels.numpy(), expected)
    torch.testing.assert_close(photographs[1].camera.label(), CAMERA[1:2].label())
    torch.testing.assert_close(
        photographs[1].image(), torch.from_numpy(expected.copy()) / 127.5 - 1
    )


def test_a_folder_reads_like_a_zip_and_memory_makes_no_difference(tmp_path):
    path = write(tmp_path)
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    a, b = Photographs(path), Photographs(tmp_path / "folder", memory_limit=0)
    for number in range(3):
        assert torch.equal(a[number].pixels, b[number].pixels)
    pixels, camera = b.batch(torch.tensor([2, 0]))
    assert torch.equal(pixels[0], a[2].pixels) and len(camera) == 2


def test_alpha_comes_out_premultiplied_either_way(tmp_path):
    straight = np.full((4, 4, 4), 200, np.uint8)
    straight[..., 3] = 51
    once = np.full((4, 4, 4), 40, np.uint8)
    once[..., 3] = 51
    for name, content, extra in (("a", straight, {}), ("b", once, {"alpha": "premultiplied"})):
        (tmp_path / name).mkdir()
        photograph = Photographs(
            write(tmp_path / name, pictures=[png_bytes(content)] * 3, **extra)
        )[0]
        assert photograph.pixels[:, 0, 0].tolist() == [40, 40, 40, 51]
        torch.testing.assert_close(
            photograph.image(0.5)[:, 0, 0], torch.full((3,), (40 / 255 + 0.8 * 0.5) * 2 - 1)
        )


def test_a_mirror_image_belongs_to_the_mirrored_camera(tmp_path):
    photographs = Photographs(write(tmp_path), mirror=True)
    assert len(photographs) == 6
    plain, mirrored = photographs[1], photographs[4]
    assert torch.equal(mirrored.pixels, plain.pixels.flip(-1))
    point = torch.tensor([[[0.05, 0.1, 0.2]]])
    seen, _ = plain.camera.project(point)
    seen_mirrored, _ = mirrored.camera.project(point * torch.tensor([-1.0, 1, 1]))
    torch.testing.assert_close(seen_mirrored[..., 0], 1 - seen[..., 0])
    torch.testing.assert_close(seen_mirrored[..., 1], seen[..., 1])


def test_a_mirrored_image_equals_the_render_of_the_mirrored_world_by_the_mirrored_camera():
    camera = Camera.orbit(torch.tensor([0.4]), torch.tensor([0.1]))
    world, seeds = PuppetWorld(supersampling=1), WorldSeeds.of(Split.TRAIN, [3])
    views = world.render(seeds, camera, 48)
    points = views.camera.rays(48).at(views.depth.flatten(2).mT)[:, :, 0] * torch.tensor(
        [-1.0, 1, 1]
    )
    position, away = camera.mirrored().project(points)
    hit = views.opacity.flatten() == 1
    columns = torch.arange(48).repeat(48)[hit]
    torch.testing.assert_close(position[0, hit, 0], 1 - (columns + 0.5) / 48, atol=1e-4, rtol=0)
    torch.testing.assert_close(away[0, hit], views.depth.flatten()[hit], atol=1e-4, rtol=0)


def broken(change):
    changed = CAMERA.label().clone()
    matrices, intrinsics = changed[:, :16].view(-1, 4, 4), changed[:, 16:].view(-1, 3, 3)
    change(matrices[1], intrinsics[1])
    return changed.tolist()


def scale(matrix, _):
    matrix[:3, :3] *= 1.1


def mirror(matrix, _):
    matrix[:3, 0] *= -1


def opengl(matrix, _):
    matrix[:3, 1:3] *= -1


def transpose(matrix, _):
    matrix.copy_(matrix.T.clone())


def in_pixels(_, intrinsics):
    intrinsics[:2] *= 512


def negative(_, intrinsics):
    intrinsics[0, 0] *= -1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (scale, "isn't orthonormal"),
        (mirror, "determinant -1"),
        (opengl, "looks away from the origin"),
        (transpose, "last row isn't 0 0 0 1"),
        (in_pixels, "intrinsics in pixels"),
        (negative, "isn't positive"),
    ],
)
def test_a_wrong_camera_is_explained_with_the_name_of_its_picture(tmp_path, change, reason):
    with pytest.raises(BadDataset, match=f"img00000001.png.*{reason}"):
        Photographs(write(tmp_path, broken(change)))


def test_labels_of_another_length_or_kind_are_explained(tmp_path):
    with pytest.raises(BadDataset, match="has 24 numbers; expected 25"):
        Photographs(write(tmp_path, [labels()[0], labels()[1][:24], labels()[2]]))
    with pytest.raises(BadDataset, match="isn't a finite number"):
        Photographs(write(tmp_path, [labels()[0], [float("nan")] * 25, labels()[2]]))
    (tmp_path / "dataset.json").write_text('{"labels": [["a.png", null]]}')
    with pytest.raises(BadDataset, match=r"The label of a\.png has None; expected 25"):
        Photographs(tmp_path)


def test_pictures_of_two_sizes_or_kinds_are_refused(tmp_path):
    with pytest.raises(
        BadDataset, match=r"00000002\.png is 16x16 RGB, but .*00000000\.png is 8x8 RGB"
    ):
        Photographs(write(tmp_path, pictures=[picture(), picture(), picture(16)]))
    with pytest.raises(BadDataset, match="is 8x8 RGBA, but"):
        validate_photographs(write(tmp_path, pictures=[picture(), picture(), picture(channels=4)]))


def test_oblong_and_broken_pictures_are_refused(tmp_path):
    oblong = png_bytes(np.zeros((8, 6, 3), np.uint8))
    with pytest.raises(BadDataset, match="6x8 RGB: pictures must be square"):
        Photographs(write(tmp_path, pictures=[oblong] * 3))
    with pytest.raises(BadDataset, match=r"img00000001\.png can't be used: not a picture"):
        validate_photographs(write(tmp_path, pictures=[picture(), b"not a picture", picture()]))


def test_pictures_are_read_as_photographs_are(tmp_path):
    """Turned as EXIF says, 16 bits scaled; sideways or white under an upright camera otherwise."""
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    deep, turned = io.BytesIO(), io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 257).save(deep, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(grey).transpose(Image.Transpose.ROTATE_90)
    stored.save(turned, "PNG", exif=exif)
    both = [deep.getvalue(), turned.getvalue(), picture()]
    photographs = Photographs(write(tmp_path, pictures=both))
    for number in (0, 1):
        assert np.array_equal(photographs[number].pixels[0].numpy(), grey)


def test_one_picture_with_two_labels_is_refused(tmp_path):
    zipfile.ZipFile(write(tmp_path)).extractall(tmp_path / "folder")
    index = tmp_path / "folder" / "dataset.json"
    content = json.loads(index.read_text())
    name = content["labels"][1][0]
    content["labels"][0][0] = f"./{name}"
    index.write_text(json.dumps(content))
    with pytest.raises(BadDataset, match=f"2 labels for {name}"):
        Photographs(tmp_path / "folder")


def test_a_missing_picture_is_named(tmp_path):
    zipfile.ZipFile(write(tmp_path)).extractall(tmp_path / "folder")
    (tmp_path / "folder/00000/img00000002.png").unlink()
    with pytest.raises(BadDataset, match=r"img00000002\.png can't be read"):
        Photographs(tmp_path / "folder")


def test_missing_empty_and_foreign_collections_are_explained(tmp_path):
    with pytest.raises(BadDataset, match="doesn't exist"):
        Photographs(tmp_path / "nowhere.zip")
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(BadDataset, match="neither a folder nor a readable zip"):
        Photographs(tmp_path / "text.zip")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(BadDataset, match=r"has no dataset\.json"):
        Photographs(folder)
    (folder / "dataset.json").write_text('{"labels": []}')
    with pytest.raises(BadDataset, match="names no pictures"):
        Photographs(folder)
    (folder / "dataset.json").write_text('{"labels": null}')
    with pytest.raises(BadDataset, match="labels is None: expected a list"):
        Photographs(folder)


def test_a_name_may_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret.png").write_bytes(picture())
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "dataset.json").write_text(json.dumps({"labels": [["../secret.png", labels()[0]]]}))
    with pytest.raises(BadDataset, match="leads out of"):
        Photographs(folder)
