"""A slow reference renderer of 3DGS files, from the equations: EWA projection (Zwicker et al. 2001,
eq. 31; Kerbl et al. 2023, eq. 5 and 6), blending front to back (eq. 3), with the constants of the
published renderer: 0.3 px² of low pass, alpha between 1/255 and 0.99.

It shares nothing with the exporter: it reads the file.
"""

import math

import numba
import numpy as np

LOW_PASS, FAINTEST, HIGHEST, OPAQUE = 0.3, 1 / 255, 0.99, 1e-4


def read_splats(path):
    """The file's rows as a structured array."""
    header, _, body = path.read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in header.decode().splitlines()]
    names = [line[2] for line in lines if line[0] == "property"]
    assert all(line[1] == "float" for line in lines if line[0] == "property")
    return np.frombuffer(body, [(name, "<f4") for name in names])


def stacked(rows, *names):
    return np.stack([rows[name] for name in names], -1).astype(np.float64)


def rendered(rows, camera, size, metres_per_unit, background=1.0):
    """Picture in [0, 1] and coverage, from a camera in world axes and units."""
    pose, intrinsics = (
        camera.cam_to_world[0].double().numpy(),
        camera.intrinsics[0].double().numpy(),
    )
    down = np.diag([1.0, -1, -1])  # the file's y is down
    axes, place = down @ pose[:3, :3], down @ pose[:3, 3] * metres_per_unit
    local = (stacked(rows, "x", "y", "z") - place) @ axes
    x, y, z = local.T
    (fx, _, cx), (_, fy, cy) = intrinsics[:2] * size
    middle = np.stack([fx * x / z + cx, fy * y / z + cy], 1)
    zero = np.zeros_like(z)
    jacobian = np.stack([fx / z, zero, -fx * x / z**2, zero, fy / z, -fy * y / z**2], 1)
    scales = np.exp(stacked(rows, "scale_0", "scale_1", "scale_2"))
    spread = jacobian.reshape(-1, 2, 3) @ axes.T @ (turned(rows) * scales[:, None])
    covariance = spread @ spread.transpose(0, 2, 1) + LOW_PASS * np.eye(2)
    opacity = 1 / (1 + np.exp(-rows["opacity"].astype(np.float64)))
    colors = np.maximum(0.5 + 0.28209479177387814 * stacked(rows, "f_dc_0", "f_dc_1", "f_dc_2"), 0)
    precision = np.linalg.inv(covariance)
    reach = 3.4 * np.sqrt(np.linalg.eigvalsh(covariance)[:, 1])
    picture, through = np.zeros((size, size, 3)), np.ones((size, size))
    _blend(np.argsort(z), middle, precision, reach, opacity, colors, picture, through)
    return picture + background * through[..., None], 1 - through


def turned(rows):
    """Rotation matrices of the quaternions."""
    w, x, y, z = stacked(rows, "rot_0", "rot_1", "rot_2", "rot_3").T
    return np.stack(
        [
            *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        ],
        1,
    ).reshape(-1, 3, 3)


@numba.njit(cache=True)
def _blend(order, middle, precision, reach, opacity, colors, picture, through):
    size = len(picture)
    for k in order:
        u, v = middle[k]
        for row in range(max(int(v - reach[k]), 0), min(int(v + reach[k]) + 2, size)):
            for column in range(max(int(u - reach[k]), 0), min(int(u + reach[k]) + 2, size)):
                dx, dy = column + 0.5 - u, row + 0.5 - v
                power = precision[k, 0, 0] * dx * dx + precision[k, 1, 1] * dy * dy
                power += 2 * precision[k, 0, 1] * dx * dy
                alpha = min(HIGHEST, opacity[k] * math.exp(-0.5 * power))
                left = through[row, column] * (1 - alpha)
                if alpha < FAINTEST or left < OPAQUE:
                    continue
                picture[row, column] += through[row, column] * alpha * colors[k]
                through[row, column] = left
