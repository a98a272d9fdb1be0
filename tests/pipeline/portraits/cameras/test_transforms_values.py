"""Values of transforms.json that can't be cameras are refused with their names."""

import numpy as np
import pytest

from pipeline.portraits.cameras.transforms import read_transforms


@pytest.mark.parametrize(
    ("lens", "message"),
    [
        ({"w": 8, "h": 8, "fl_x": None}, "a has fl_x None"),
        ({"w": None, "h": 8, "fl_x": 3}, "a has w None"),
        ({"w": 0, "h": 8, "fl_x": 3}, "a has w 0"),
        ({"w": 8, "h": 8, "fl_x": "abc"}, "a has fl_x 'abc'"),
        ({"w": 8, "h": 8, "fl_x": 0}, "a has fl_x 0"),
        ({"w": 8, "h": 8, "fl_x": float("nan")}, "a has fl_x nan"),
        ({"w": 8, "h": 8, "fl_x": 10**400}, "a has fl_x 1000"),
        ({"w": 8, "h": 8, "fl_x": 3, "cx": [1]}, "a has cx .1."),
        ({"w": 8, "h": 8, "fl_x": 3, "k1": "x"}, "a has k1 'x'"),
        ({"camera_angle_x": 0.7, "cx": 400, "cy": 400}, r"a has a principal point .*no w and h"),
        ({"camera_angle_x": 0.7, "w": 800, "cy": 400}, r"a has a principal point .*no w and h"),
        ({"camera_angle_x": 0}, "a has camera_angle_x 0"),
        ({"camera_angle_x": 13.4}, r"a has camera_angle_x 13\.4: expected an angle in radians"),
    ],
)
def test_a_value_that_is_none_is_named(lens, message):
    frame = {"file_path": "a", "transform_matrix": np.eye(4).tolist()}
    with pytest.raises(ValueError, match=message):
        read_transforms({**lens, "frames": [frame]})
