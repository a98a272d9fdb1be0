"""Pictures of meshes for tests, by the rasteriser of the world of heads."""

import numpy as np
from scipy.ndimage import map_coordinates

from pipeline.worlds.heads.rasterizer import Buffer, Lens, draw_triangles


def rasterised(mesh, camera, size):
    """Picture in [0, 1] over white, coverage and distance from the camera."""
    pose, focal = camera.cam_to_world[0].numpy(), float(camera.intrinsics[0, 0, 0])
    middle = np.full(2, size / 2, np.float32)
    lens = Lens(pose[:3, :3].T.copy(), pose[:3, 3].copy(), focal * size, middle, size)
    buffer = Buffer.empty(size)
    cut = np.ones(len(mesh.vertices), np.float32)
    draw_triangles(buffer, lens.project(mesh.vertices), mesh.faces.astype(np.int32), cut)
    hit = buffer.index >= 0
    second_third = buffer.weights[hit]
    weights = np.concatenate([1 - second_third.sum(1, keepdims=True), second_third], 1)
    picture = np.ones((size, size, 3), np.float32)
    corners = mesh.faces[buffer.index[hit]]
    if mesh.texture is None:
        picture[hit] = np.einsum("pcx,pc->px", mesh.colors[corners], weights)
    else:
        picture[hit] = looked_up(
            mesh.texture.image, np.einsum("pcx,pc->px", mesh.texture.uv[corners], weights)
        )
    rays = camera.rays(size).directions[0].numpy().reshape(size, size, 3)
    distance = 1 / np.maximum(buffer.nearness, 1e-6) / (rays @ pose[:3, 2])
    return picture, hit, np.where(hit, distance, 0)


def looked_up(image, uv):
    """Bilinear, as of a texture whose v runs upwards."""
    height, width = image.shape[:2]
    at = np.stack([(1 - uv[:, 1]) * height, uv[:, 0] * width]) - 0.5
    return np.stack(
        [map_coordinates(image[..., c] / 255.0, at, order=1, mode="nearest") for c in range(3)], 1
    )


def psnr(one, other):
    return -10 * np.log10(((one - other) ** 2).mean())
