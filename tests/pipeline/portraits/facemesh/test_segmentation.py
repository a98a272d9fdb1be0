"""The matte of a real person, and of none."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import pipeline.evaluation
from pipeline.portraits.crop import Crop
from pipeline.portraits.facemesh.segmentation import person_matte

ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"


@pytest.mark.parametrize("roll_deg", [0, 20])
def test_the_astronaut_s_face_is_a_person_and_the_wall_is_none(roll_deg):
    image = Image.open(ASTRONAUT).convert("RGB")
    crop = Crop(51, 33, 147, roll_deg)
    matte = person_matte(image, crop, 96)
    assert matte.shape == (1, 96, 96) and matte.min() >= 0 and matte.max() <= 1
    assert matte[0, 30:65, 35:60].min() > 0.9
    assert 0.6 < matte.mean() < 0.85
    if not roll_deg:
        assert matte[0, :4, :4].max() < 0.1 and matte[0, :4, -4:].max() < 0.1


def test_nobody_has_no_matte():
    blank = Image.new("RGB", (300, 200), (120, 160, 90))
    assert torch.all(person_matte(blank, Crop(50, 0, 200), 32) < 0.5)
