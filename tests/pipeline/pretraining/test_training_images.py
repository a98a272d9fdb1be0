"""Images for a teacher: drawn, mirrored with their cameras, composited."""

import functools

import numpy as np
import pytest
import torch

from pipeline.data.photographs import Photographs
from pipeline.pretraining.training_images import (
    ImageBatch,
    TrainingImages,
    labelled_images,
    rendered_images,
)
from pipeline.worlds.dataset_zip import png_bytes, write_dataset
from pipeline.worlds.splits import Split
from teachers.rendering.camera import Camera


def cameras(count: int) -> Camera:
    return Camera.orbit(torch.linspace(0.1, 0.5, count), torch.zeros(count))


def numbered(count: int = 6, mirrored: bool = True) -> TrainingImages:
    """Image k is 10 k + its column."""
    values = 10 * torch.arange(count)[:, None, None, None] + torch.arange(4)
    return TrainingImages(
        values.expand(count, 3, 4, 4).to(torch.uint8), cameras(count), mirrored=mirrored
    )


def test_every_image_comes_with_its_own_camera_and_mirror_images_with_the_mirrored_one():
    images = numbered()
    drawn = images.draw(200, torch.Generator().manual_seed(0))
    rows = (drawn.color[:, 0, 0] * 255).round().long()
    number = rows.amin(1) // 10
    is_mirrored = rows[:, 0] > rows[:, 3]
    expected = torch.where(
        is_mirrored[:, None], cameras(6).mirrored().label()[number], cameras(6).label()[number]
    )
    assert torch.equal(drawn.camera.label(), expected)
    assert 60 < is_mirrored.sum() < 140
    assert set(number.tolist()) == set(range(6))


def test_mirroring_can_be_left_out():
    drawn = numbered(mirrored=False).draw(50, torch.Generator().manual_seed(0))
    assert (drawn.color[:, 0, 0, 0] < drawn.color[:, 0, 0, 3]).all()


def test_a_generator_decides_what_is_drawn():
    one, same, other = (
        numbered().draw(20, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.color, same.color)
    assert not torch.equal(one.color, other.color)


def test_premultiplied_colours_are_put_over_a_background():
    batch = ImageBatch(torch.full((1, 3, 2, 2), 0.25), torch.full((1, 1, 2, 2), 0.5), cameras(1))
    assert batch.over(1.0).unique().tolist() == pytest.approx([0.5])  # 0.25 + 0.5, on [-1, 1]
    assert batch.over(0.0).unique().tolist() == pytest.approx([-0.5])


def test_images_without_a_matte_are_solid():
    drawn = numbered().draw(3, torch.Generator().manual_seed(0))
    assert torch.equal(drawn.opacity, torch.ones(3, 1, 4, 4))
    assert torch.equal(drawn.over(0.0), drawn.over(1.0))


def test_the_first_images_are_not_drawn():
    assert torch.allclose(
        numbered().first(2)[1, 0, 0], (10 + torch.arange(4.0)) / 255 * 2 - 1, atol=1e-6
    )


def test_a_zip_is_read_and_a_wrong_size_is_refused(tmp_path):
    pixels = np.full((8, 8, 4), 255, np.uint8)
    path = write_dataset(
        tmp_path / "some.zip",
        iter([(png_bytes(pixels), cameras(1).label()[0].tolist())]),
        {"alpha": "premultiplied"},
    )
    found = labelled_images(path=str(path), resolution=8)
    assert (len(found), found.images.shape, found.mirrored) == (1, (1, 4, 8, 8), True)
    with pytest.raises(ValueError, match=r"8², but the teacher is to draw 16²"):
        labelled_images(path=str(path), resolution=16)


def test_a_zip_of_other_identities_is_refused(tmp_path):
    record = (png_bytes(np.full((8, 8, 4), 255, np.uint8)), cameras(1).label()[0].tolist())
    about = {"alpha": "premultiplied", "first": 5, "yaw_limit": 0.9}
    path = str(write_dataset(tmp_path / "some.zip", iter([record] * 2), about))
    settings = {"count": 2, "first": 5, "pose_distribution": {"yaw_limit": 0.9, "pitch_limit": 0.3}}
    assert (
        len(rendered_images(path=path, resolution=8, **settings)) == 2
    )  # older files don't say everything
    with pytest.raises(ValueError, match=r"it has \{'count': 2\}, expected was \{'count': 3\}"):
        rendered_images(path=path, resolution=8, **{**settings, "count": 3})
    with pytest.raises(
        ValueError,
        match=r"it has \{'first': 5, 'yaw_limit': 0.9\}, "
        r"expected was \{'first': 0, 'yaw_limit': 1.2\}",
    ):
        rendered_images(path=path, resolution=8, count=2, pose_distribution={"yaw_limit": 1.2})
    coarse = {**about, "supersampling": 1}
    path = str(write_dataset(tmp_path / "coarse.zip", iter([record] * 2), coarse))
    with pytest.raises(ValueError, match=r"'supersampling': 1\}, expected was .*: 2"):
        rendered_images(path=path, resolution=8, **settings)


def test_identities_of_another_split_are_refused(tmp_path):
    record = (png_bytes(np.full((8, 8, 4), 255, np.uint8)), cameras(1).label()[0].tolist())
    about = {"alpha": "premultiplied", "split": "train"}
    path = str(write_dataset(tmp_path / "some.zip", iter([record]), about))
    assert len(rendered_images(path=path, resolution=8, count=1)) == 1
    with pytest.raises(
        ValueError, match=r"\{'split': 'train'\}, expected was \{'split': 'validate'"
    ):
        rendered_images(path=path, resolution=8, count=1, split=Split.VALIDATE)


def test_cameras_alone_are_those_that_come_with_the_images():
    drawn, alone = (
        getattr(numbered(), draw)(20, torch.Generator().manual_seed(1))
        for draw in ("draw", "draw_cameras")
    )
    assert torch.equal(drawn.camera.label(), alone.label())


def test_a_collection_too_large_for_memory_is_decoded_as_it_is_drawn(tmp_path, monkeypatch):
    labels = cameras(5).label().tolist()
    records = ((png_bytes(np.full((8, 8, 3), 40 * k, np.uint8)), labels[k]) for k in range(5))
    path = str(write_dataset(tmp_path / "some.zip", records, {}))
    held = labelled_images(path=path, resolution=8)
    monkeypatch.setattr(
        "pipeline.pretraining.training_images.Photographs",
        functools.partial(Photographs, memory_limit=0),
    )
    lazy = labelled_images(path=path, resolution=8)
    assert (held.is_in_memory, lazy.is_in_memory) == (True, False)
    first, second = (images.draw(12, torch.Generator().manual_seed(1)) for images in (held, lazy))
    assert torch.equal(first.color, second.color)
    assert torch.equal(first.camera.label(), second.camera.label())
    assert torch.equal(held.first(3), lazy.first(3))
