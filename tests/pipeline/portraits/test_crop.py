"""A crop is the given square, antialiased."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.portraits.crop import Crop


def test_the_centre_is_the_largest_square_in_the_middle():
    assert Crop.centre(40, 20) == Crop(10, 0, 20)
    assert Crop.centre(20, 41) == Crop(0, 10.5, 20)


def test_a_square_of_a_resized_photograph_shows_the_same_and_stays_inside():
    assert Crop(10, 20, 40, 30).resized((400, 300), (200, 150)) == Crop(5, 10, 20, 30)
    outside = Crop(-10, 20, 40).resized((400, 300), (200, 150))
    assert outside == Crop(-5, 10, 20)
    before, after = (5000, 3333), (2048, 1365)
    random = np.random.default_rng(0)
    for size in random.uniform(16, 3333, 50):
        for left, top in ((0, 0), (5000 - size, 3333 - size), (700, 0)):
            moved = Crop(left, top, size).resized(before, after)
            assert min(moved.left, moved.top) >= 0
            assert moved.left + moved.size <= 2048 and moved.top + moved.size <= 1365
            assert moved.size == pytest.approx(size * 0.4096, rel=2e-4)
    assert Crop.centre(*before).resized(before, before) == Crop.centre(*before)


def test_a_crop_at_its_own_size_is_the_pixels_themselves():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    image = Crop(12, 7, 16).cut(Image.fromarray(pixels), 16)
    assert torch.equal(
        ((image + 1) * 127.5).round().to(torch.uint8),
        torch.from_numpy(pixels[7:23, 12:28]).permute(2, 0, 1),
    )


def test_reduction_averages_instead_of_skipping():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    assert Crop.centre(128, 128).cut(Image.fromarray(stripes), 32)[:, 4:-4, 4:-4].abs().max() < 0.05


def test_enlargement_keeps_the_range():
    image = Crop.centre(16, 16).cut(
        Image.fromarray(np.eye(16, dtype=np.uint8) * 255).convert("RGB"), 64
    )
    assert image.shape == (3, 64, 64) and image.min() >= -1 and image.max() <= 1


@pytest.mark.parametrize("numbers", [[30, 0, 21], [-1, 0, 10], [0, 15, 6]])
def test_a_crop_outside_the_picture_is_refused(numbers):
    with pytest.raises(ValueError, match="reaches outside the 50x20 picture"):
        Crop.of(numbers).cut(Image.new("RGB", (50, 20)), 16)


@pytest.mark.parametrize(
    "numbers", [[1, 2], [1, 2, 0], [1, 2, -3], ["a", 1, 2], [1, float("nan"), 2], 7, "1,2,3"]
)
def test_what_is_no_square_is_refused(numbers):
    with pytest.raises(ValueError, match="crop"):
        Crop.of(numbers)


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))


@pytest.mark.parametrize("roll", [0.5, 30, -90, 180])
@pytest.mark.parametrize("resolution", [16, 64, 200])
def test_a_turned_square_shows_at_each_place_what_lies_there(roll, resolution):
    crop = Crop(60, 70, 80, roll)
    seen = ((crop.cut(ramp(200, 220), resolution, outside="mirror") + 1) * 127.5)[:2]
    centres = (np.arange(resolution) + 0.5) / resolution
    places = crop.from_square(np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)) - 0.5
    expected = torch.from_numpy(places.reshape(resolution, resolution, 2)).permute(2, 0, 1).float()
    edge = max(2, resolution // 16)  # where the filter sees beyond the square
    assert (seen - expected)[:, edge:-edge, edge:-edge].abs().max() < 1.5


def test_a_turned_square_is_antialiased_even_if_it_is_reduced_much():
    stripes = np.zeros((2000, 2000, 3), np.uint8)
    stripes[:, ::2] = 255
    seen = Crop(100, 100, 1800, 10).cut(Image.fromarray(stripes), 32, outside="mirror")
    assert seen[:, 2:-2, 2:-2].abs().max() < 0.1


def test_beyond_its_edges_a_photograph_is_mirrored():
    seen = Crop(-40, 0, 80).cut(ramp(100, 80), 80, outside="mirror")
    assert (seen[0, :, :39].flip(-1) - seen[0, :, 41:]).abs().max() < 0.03
    assert Crop(-40, 0, 80).outside(100, 80) == 0.5 and Crop(0, 0, 80).outside(100, 80) == 0
    assert Crop(-500, -900, 2000).cut(ramp(30, 20), 16, outside="mirror").isfinite().all()
