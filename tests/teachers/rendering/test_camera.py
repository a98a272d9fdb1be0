"""Camera conventions: position, axes, projection."""

import pytest
import torch

from teachers.rendering.camera import Camera


def orbit(yaw: float = 0.0, pitch: float = 0.0, **others) -> Camera:
    return Camera.orbit(torch.tensor([yaw]), torch.tensor([pitch]), **others)


def any_cameras(count: int = 4) -> Camera:
    """Cameras with roll, their own radius, focal length and principal point, and skew."""
    random = torch.Generator().manual_seed(0)
    angles = (torch.rand(3, count, generator=random) - 0.5) * 1.5
    focal, radius, middle = (
        torch.linspace(2, 4, count),
        torch.linspace(2, 3, count),
        torch.rand(count, 2, generator=random) * 0.2 + 0.4,
    )
    camera = Camera.orbit(
        angles[0],
        angles[1],
        roll=angles[2],
        radius=radius,
        pivot=(0.1, -0.1, 0.2),
        focal=focal,
        principal_point=middle,
    )
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 1] = torch.linspace(-0.3, 0.3, count)
    intrinsics[:, 1, 1] *= 1.1
    return Camera(camera.cam_to_world, intrinsics)


def picture_of(camera: Camera, *point: float) -> tuple[float, float]:
    (u, v), _ = (values[0, 0] for values in camera.project(torch.tensor([[point]])))
    return u.item(), v.item()


def test_the_front_camera_is_that_of_eg3d():
    expected = torch.tensor([[[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 2.7], [0, 0, 0, 1.0]]])
    assert torch.allclose(orbit(radius=2.7).cam_to_world, expected, atol=1e-7)
    focal = 4.2647
    assert torch.allclose(
        orbit().intrinsics, torch.tensor([[[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]])
    )


def test_positive_yaw_moves_to_plus_x_and_positive_pitch_up():
    x, y, z = orbit(yaw=0.5, radius=2.0).cam_to_world[0, :3, 3]
    assert (x.item(), y.item(), z.item()) == pytest.approx(
        (2 * 0.479426, 0.0, 2 * 0.877583), abs=1e-5
    )
    x, y, z = orbit(pitch=0.5, radius=2.0).cam_to_world[0, :3, 3]
    assert (x.item(), y.item(), z.item()) == pytest.approx(
        (0.0, 2 * 0.479426, 2 * 0.877583), abs=1e-5
    )


def test_in_the_front_picture_plus_x_is_right_and_plus_y_is_up():
    u, v = picture_of(orbit(), 0.1, 0.0, 0.0)
    assert (u, v) == pytest.approx((0.5 + 4.2647 * 0.1 / 2.7, 0.5), abs=1e-5)
    u, v = picture_of(orbit(), 0.0, 0.1, 0.0)
    assert (u, v) == pytest.approx((0.5, 0.5 - 4.2647 * 0.1 / 2.7), abs=1e-5)


def test_positive_roll_turns_the_picture_clockwise():
    u, v = picture_of(
        orbit(roll=torch.pi / 2), 0.0, 0.1, 0.0
    )  # what was above the middle is now on its right
    assert (u, v) == pytest.approx((0.5 + 4.2647 * 0.1 / 2.7, 0.5), abs=1e-5)


def test_it_looks_at_the_pivot_from_the_sphere_about_the_origin():
    camera = orbit(0.6, -0.3, radius=2.4, pivot=(0.0, 0.1, 0.2))
    assert picture_of(camera, 0.0, 0.1, 0.2) == pytest.approx((0.5, 0.5), abs=1e-5)
    assert camera.cam_to_world[0, :3, 3].norm().item() == pytest.approx(2.4, rel=1e-6)


def test_matrices_are_rigid():
    rotation = any_cameras().cam_to_world[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(4, 3, 3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(4), atol=1e-5)


def test_projecting_a_point_of_a_ray_gives_its_pixel_centre_and_its_distance():
    """Holds for skewed intrinsics and any principal point."""
    camera, side = any_cameras(), 5
    rays = camera.rays(side)
    distances = torch.rand(4, side**2, 1, generator=torch.Generator().manual_seed(1)) * 3 + 0.5
    positions, measured = camera.project(rays.at(distances)[:, :, 0])
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centres = (torch.stack([columns, rows], -1).reshape(1, -1, 2) + 0.5) / side
    assert torch.allclose(positions, centres.expand_as(positions), atol=1e-5)
    assert torch.allclose(measured, distances[..., 0], atol=1e-5)


def test_rays_start_at_the_camera_have_unit_length_and_run_row_by_row_from_the_top_left():
    rays = orbit(radius=2.7).rays(4)
    assert torch.allclose(rays.origins, torch.tensor([0.0, 0.0, 2.7]).expand(1, 16, 3), atol=1e-6)
    assert torch.allclose(rays.directions.norm(dim=-1), torch.ones(1, 16))
    first, second, below = rays.directions[0, 0], rays.directions[0, 1], rays.directions[0, 4]
    assert first[0] < 0 < first[1]
    assert second[0] > first[0]
    assert second[1] == pytest.approx(first[1].item(), abs=0.02)
    assert below[1] < first[1]


def test_the_principal_point_moves_the_picture_with_it():
    assert picture_of(orbit(principal_point=(0.4, 0.7)), 0.0, 0.0, 0.0) == pytest.approx(
        (0.4, 0.7), abs=1e-6
    )


def test_skew_shears_columns_by_rows():
    intrinsics = torch.tensor([[[2.0, 0.5, 0.5], [0, 2.0, 0.5], [0, 0, 1]]])
    u, v = picture_of(
        Camera(orbit().cam_to_world, intrinsics), 0.0, -0.27, 0.0
    )  # y down is 0.1 per unit of depth
    assert (u, v) == pytest.approx((0.5 + 0.5 * 0.1, 0.5 + 2.0 * 0.1), abs=1e-5)


def test_the_mirrored_camera_sees_the_mirrored_world_as_the_mirror_image():
    camera = any_cameras()
    points = torch.rand(4, 9, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    seen, distance = camera.project(points)
    mirrored, mirrored_distance = camera.mirrored().project(points * torch.tensor([-1.0, 1, 1]))
    assert torch.allclose(mirrored, torch.stack([1 - seen[..., 0], seen[..., 1]], -1), atol=1e-5)
    assert torch.allclose(mirrored_distance, distance, atol=1e-6)


def test_mirroring_twice_changes_nothing_and_once_negates_what_eg3d_negates():
    camera = any_cameras()
    assert torch.allclose(camera.mirrored().mirrored().label(), camera.label(), atol=1e-7)
    negated = (camera.cam_to_world != camera.mirrored().cam_to_world)[0].nonzero().tolist()
    assert negated == [[0, 1], [0, 2], [0, 3], [1, 0], [2, 0]]


def test_the_label_is_sixteen_and_nine_numbers_row_by_row_and_comes_back():
    camera = any_cameras()
    label = camera.label()
    assert label.shape == (4, 25)
    assert label[0, 3] == camera.cam_to_world[0, 0, 3]
    assert label[0, 16 + 2] == camera.intrinsics[0, 0, 2]
    again = Camera.from_label(label)
    assert torch.equal(again.cam_to_world, camera.cam_to_world)
    assert torch.equal(again.intrinsics, camera.intrinsics)


def test_batches_are_joined_cut_and_repeated():
    camera = any_cameras()
    assert torch.equal(Camera.cat([camera[:1], camera[1:]]).label(), camera.label())
    assert len(camera[:1].expand(3)) == 3
    assert camera.to(torch.zeros(1, dtype=torch.float64)).label().dtype == torch.float64
    assert camera.to(torch.zeros(1, dtype=torch.float64)).rays(2).directions.dtype == torch.float64
