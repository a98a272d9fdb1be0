"""A crop is the square that was asked for, antialiased."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.portraits.crop import Crop


def test_the_centre_is_the_largest_square_in_the_middle():
    assert Crop.centre(40, 20) == Crop(10, 0, 20)
    assert Crop.centre(20, 41) == Crop(0, 10.5, 20)


def test_a_crop_at_its_own_size_is_the_pixels_themselves():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    image = Crop(12, 7, 16).cut(Image.fromarray(pixels), 16)
    assert torch.equal(((image + 1) * 127.5).round().to(torch.uint8), torch.from_numpy(pixels[7:23, 12:28]).permute(2, 0, 1))


def test_reduction_averages_instead_of_skipping():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    assert Crop.centre(128, 128).cut(Image.fromarray(stripes), 32)[:, 4:-4, 4:-4].abs().max() < 0.05


def test_enlargement_keeps_the_range():
    image = Crop.centre(16, 16).cut(Image.fromarray(np.eye(16, dtype=np.uint8) * 255).convert("RGB"), 64)
    assert image.shape == (3, 64, 64) and image.min() >= -1 and image.max() <= 1


@pytest.mark.parametrize("numbers", [[30, 0, 21], [-1, 0, 10], [0, 15, 6]])
def test_a_crop_outside_the_picture_is_refused(numbers):
    with pytest.raises(ValueError, match="reaches outside the 50x20 picture"):
        Crop.of(numbers).cut(Image.new("RGB", (50, 20)), 16)


@pytest.mark.parametrize("numbers", [[1, 2], [1, 2, 0], [1, 2, -3], ["a", 1, 2], [1, float("nan"), 2], 7, "1,2,3"])
def test_what_is_no_square_is_refused(numbers):
    with pytest.raises(ValueError, match="crop"):
        Crop.of(numbers)
