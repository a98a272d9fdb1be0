"""Coordinates sit at pixel centres, x to the right and y down."""

import torch

from students.coordinates import append_coordinates, pixel_coordinates


def test_coordinates_of_a_2x4_picture():
    x, y = pixel_coordinates(2, 4, torch.zeros(()))
    assert x.tolist() == [[-0.75, -0.25, 0.25, 0.75]] * 2
    assert y.tolist() == [[-0.5] * 4, [0.5] * 4]


def test_the_same_place_has_the_same_coordinates_at_any_resolution():
    small, large = (pixel_coordinates(n, n, torch.zeros(())) for n in (16, 32))
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(large[None], 2)[0], small)


def test_the_image_stays_as_it_is_in_front_of_them():
    image = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    positioned = append_coordinates(image)
    assert positioned.shape == (2, 5, 8, 8) and positioned.dtype == torch.float64
    assert torch.equal(positioned[:, :3], image)
