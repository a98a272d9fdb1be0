"""Before a plane at a known distance, visibility is a matter of arithmetic."""

import torch

from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane
from teachers.rendering.visibility import seen_texels, visible_from


def wall(side: int = 16) -> tuple[Camera, torch.Tensor, torch.Tensor]:
    """A camera in front of the opaque plane z = 0.27, and its depth."""
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1))
    directions = camera.rays(side).directions
    depth = ((2.7 - 0.27) / -directions[..., 2]).reshape(1, 1, side, side)
    return camera, depth, torch.ones(1, 1, side, side)


def test_points_on_the_wall_and_before_it_are_seen_those_behind_and_beside_are_not():
    camera, depth, opacity = wall()
    points = torch.tensor([[[0.1, 0.1, 0.27], [0.0, 0.0, 0.4], [0.0, 0.0, 0.1], [3.0, 0.0, 0.27]]])
    assert visible_from(points, camera, depth, opacity).tolist() == [[True, True, False, False]]
    assert not visible_from(points, camera, depth, 0 * opacity).any()


def test_the_texels_of_a_wall_are_its_rectangle_from_the_front_and_a_line_from_above():
    camera, depth, opacity = wall(64)
    triplane = Triplane(torch.zeros(1, 3, 4, 20, 20))  # xy, xz, zx: a texel is 0.05 wide
    seen = seen_texels(triplane, camera, depth, opacity, spread=1)[0, :, 0]
    half = (2.7 - 0.27) / 4.2647 / 2
    count = int(half * 20 + 0.5) * 2
    assert (seen[0].sum() - count**2).abs() <= 4 * count
    assert seen[1].any(1).nonzero().flatten().tolist() == [15]  # (0.27 + 0.5) · 20 = 15.4
    assert seen[2].any(0).nonzero().flatten().tolist() == [15]
    thick = seen_texels(triplane, camera, depth, opacity, spread=3)[0, :, 0]
    assert thick[1].any(1).nonzero().flatten().tolist() == [14, 15, 16]
    assert not seen_texels(triplane, camera, depth, 0 * opacity).any()
