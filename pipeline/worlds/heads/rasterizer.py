"""Rasterisation of triangles and of strands into one depth buffer, by numba kernels.

A sample sees the first surface along its ray. What it stores is which triangle (or piece of a
strand) that is and where on it: everything else is interpolated from there.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numba import njit

Array = np.ndarray
NEAR = 0.5
"""World units; nothing is nearer to a camera."""


@dataclass(frozen=True)
class Lens:
    """One camera as arrays: world → pixels of a square picture.

    Attributes:
        rotation: `[3 3]`; its rows are the camera's axes (right, down, forward).
        position: `[3]`.
        focal: in pixels.
        center: `[2]`, in pixels; pixel (row, column) has its middle at (column + .5, row + .5).
        size: pixels of a side.
    """

    rotation: Array
    position: Array
    focal: float
    center: Array
    size: int

    def project(self, points: Array) -> Array:
        """`[point 3]`: column and row in pixels, and depth along the axis."""
        out = np.empty((len(points), 3), np.float32)
        _project(points, self.rotation, self.position, np.float32(self.focal), self.center, out)
        return out


@dataclass
class Buffer:
    """What each sample sees.

    Attributes:
        nearness: `[size size]`: 1 / depth along the camera's axis; 0 where nothing is.
        index: `[size size]`: triangle, or number of triangles + piece of a strand; -1: nothing.
        weights: `[size size 2]`: perspective-correct weights of a triangle's second and third
            corner; of a strand: place along the piece in [0, 1], place across it in [-1, 1].
    """

    nearness: Array
    index: Array
    weights: Array

    @classmethod
    def empty(cls, size: int) -> "Buffer":
        """One that has seen nothing."""
        return cls(
            np.zeros((size, size), np.float32),
            np.full((size, size), -1, np.int32),
            np.zeros((size, size, 2), np.float32),
        )


def draw_triangles(
    buffer: Buffer, projected: Array, triangles: Array, cut: Array, first: int = 0
) -> None:
    """Draws triangles, both sides.

    Args:
        buffer: is added to.
        projected: `[vertex 3]`, of `Lens.project`.
        triangles: `[triangle 3]`.
        cut: `[vertex]`: a sample where its interpolation is negative is a hole.
        first: the number of the first triangle.
    """
    _triangles(buffer.nearness, buffer.index, buffer.weights, projected, triangles, cut, first)


def draw_strands(
    buffer: Buffer, projected: Array, pieces: Array, widths: Array, first: int
) -> None:
    """Draws pieces of strands as ribbons that face the camera.

    Args:
        buffer: is added to.
        projected: `[point 3]`, of `Lens.project`.
        pieces: `[piece]`: the point at which each starts; the next point ends it.
        widths: `[point]`: half the width in pixels at unit depth (world width × focal).
        first: the number of the first piece.
    """
    _strands(buffer.nearness, buffer.index, buffer.weights, projected, pieces, widths, first)


def draw_depths(depth: Array, projected: Array, triangles: Array) -> None:
    """Fills `[size size]` with the depth of the first surface under orthographic projection; 1e9:
    nothing.

    Only triangles that face the light are drawn, whole even where they are cut.

    Args:
        depth: is filled.
        projected: `[vertex 3]`: column, row, depth.
        triangles: `[triangle 3]`.
    """
    depth.fill(1e9)
    at, corners = projected.ravel(), triangles.ravel()
    found = np.empty(len(triangles), np.int32)
    count = _facing(at, corners, np.float32(len(depth) - 1), found)
    _depths(depth, at, corners, found[:count])


def interpolate(buffer_rows: Array, weights: Array, triangles: Array, values: Array) -> Array:
    """Attributes `[sample channel]` at places on triangles.

    Args:
        buffer_rows: `[sample]`: triangles.
        weights: `[sample 2]`.
        triangles: `[triangle 3]`.
        values: `[vertex channel]`.
    """
    out = np.empty((len(buffer_rows), values.shape[1]), np.float32)
    _interpolate(buffer_rows, weights, triangles, values, out)
    return out


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    """Unit normals `[vertex 3]`, weighted by area."""
    out = np.zeros_like(vertices)
    _normals(vertices, triangles, out)
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})


@_kernel
@no_type_check
def _project(points, rotation, position, focal, center, out):
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - position[0], points[i, 1] - position[1], points[i, 2] - position[2]
        right = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z
        down = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z
        depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z
        scale = focal / max(depth, np.float32(1e-3))
        out[i, 0], out[i, 1] = right * scale + center[0], down * scale + center[1]
        out[i, 2] = depth


@_kernel
@no_type_check
def _triangles(nearness, index, weights, at, triangles, cut, first):
    size = nearness.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        za, zb, zc = at[a, 2], at[b, 2], at[c, 2]
        if za < NEAR or zb < NEAR or zc < NEAR:
            continue
        if cut[a] < 0 and cut[b] < 0 and cut[c] < 0:
            continue
        xa, ya, xb, yb, xc, yc = at[a, 0], at[a, 1], at[b, 0], at[b, 1], at[c, 0], at[c, 1]
        low_x, high_x = min(xa, xb, xc), max(xa, xb, xc)
        low_y, high_y = min(ya, yb, yc), max(ya, yb, yc)
        if high_x < 0 or high_y < 0 or low_x > size or low_y > size:
            continue
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if abs(area) < np.float32(1e-9):
            continue
        inverse = np.float32(1) / area
        ia, ib, ic = np.float32(1) / za, np.float32(1) / zb, np.float32(1) / zc
        whole = cut[a] >= 0 and cut[b] >= 0 and cut[c] >= 0
        left = max(0, int(np.ceil(low_x - np.float32(0.5))))
        right = min(size - 1, int(np.floor(high_x - np.float32(0.5))))
        top = max(0, int(np.ceil(low_y - np.float32(0.5))))
        bottom = min(size - 1, int(np.floor(high_y - np.float32(0.5))))
        for row in range(top, bottom + 1):
            y = np.float32(row) + np.float32(0.5)
            for column in range(left, right + 1):
                x = np.float32(column) + np.float32(0.5)
                u = ((x - xa) * (yc - ya) - (xc - xa) * (y - ya)) * inverse
                v = ((xb - xa) * (y - ya) - (x - xa) * (yb - ya)) * inverse
                w = np.float32(1) - u - v
                near = w * ia + u * ib + v * ic
                if (u < 0) | (v < 0) | (w < 0) | (near <= nearness[row, column]):
                    continue
                wb, wc = u * ib / near, v * ic / near
                left_over = cut[a] * (np.float32(1) - wb - wc) + cut[b] * wb + cut[c] * wc
                if not whole and left_over < 0:
                    continue
                nearness[row, column] = near
                index[row, column] = first + t
                weights[row, column, 0] = wb
                weights[row, column, 1] = wc


@_kernel
@no_type_check
def _strands(nearness, index, weights, at, pieces, widths, first):
    size = nearness.shape[0]
    half = np.float32(0.5)
    for s in range(pieces.shape[0]):
        p = pieces[s]
        q = p + 1
        zp, zq = at[p, 2], at[q, 2]
        if zp < NEAR or zq < NEAR:
            continue
        xp, yp, xq, yq = at[p, 0], at[p, 1], at[q, 0], at[q, 1]
        rp = max(widths[p] / zp, np.float32(0.45))
        rq = max(widths[q] / zq, np.float32(0.45))
        reach = max(rp, rq)
        low_x, high_x = min(xp, xq) - reach, max(xp, xq) + reach
        low_y, high_y = min(yp, yq) - reach, max(yp, yq) + reach
        if high_x < 0 or high_y < 0 or low_x > size or low_y > size:
            continue
        dx, dy = xq - xp, yq - yp
        squared = max(dx * dx + dy * dy, np.float32(1e-8))
        length = np.sqrt(squared)
        ip, iq = np.float32(1) / zp, np.float32(1) / zq
        left = max(0, int(np.ceil(low_x - half)))
        right = min(size - 1, int(np.floor(high_x - half)))
        top = max(0, int(np.ceil(low_y - half)))
        bottom = min(size - 1, int(np.floor(high_y - half)))
        for row in range(top, bottom + 1):
            y = np.float32(row) + half - yp
            for column in range(left, right + 1):
                x = np.float32(column) + half - xp
                t = (x * dx + y * dy) / squared
                t = min(max(t, np.float32(0)), np.float32(1))
                ex, ey = x - t * dx, y - t * dy
                radius = rp + (rq - rp) * t
                near = ip + (iq - ip) * t
                # One branch: processors guess these wrong.
                if (ex * ex + ey * ey > radius * radius) | (near <= nearness[row, column]):
                    continue
                nearness[row, column] = near
                index[row, column] = first + s
                weights[row, column, 0] = t * iq / near
                weights[row, column, 1] = (x * dy - y * dx) / (length * radius)


@_kernel
@no_type_check
def _facing(at, triangles, last, found):
    """Writes the triangles that face the light and may cover the middle of a texel; returns their
    number. Without branches, which no processor would guess.
    """
    zero, half, count = np.float32(0), np.float32(0.5), 0
    for t in range(found.shape[0]):
        a, b, c = 3 * triangles[3 * t], 3 * triangles[3 * t + 1], 3 * triangles[3 * t + 2]
        xa, ya, xb, yb, xc, yc = at[a], at[a + 1], at[b], at[b + 1], at[c], at[c + 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        left = max(zero, np.ceil(min(xa, xb, xc) - half))
        right = min(last, np.floor(max(xa, xb, xc) - half))
        top = max(zero, np.ceil(min(ya, yb, yc) - half))
        bottom = min(last, np.floor(max(ya, yb, yc) - half))
        found[count] = t
        count += (area <= np.float32(-1e-9)) & (left <= right) & (top <= bottom)
    return count


@_kernel
@no_type_check
def _depths(depth, at, triangles, found):
    size = depth.shape[0]
    for t in found:
        a, b, c = 3 * triangles[3 * t], 3 * triangles[3 * t + 1], 3 * triangles[3 * t + 2]
        xa, ya, xb, yb, xc, yc = at[a], at[a + 1], at[b], at[b + 1], at[c], at[c + 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        left = max(0, int(np.ceil(min(xa, xb, xc) - np.float32(0.5))))
        right = min(size - 1, int(np.floor(max(xa, xb, xc) - np.float32(0.5))))
        top = max(0, int(np.ceil(min(ya, yb, yc) - np.float32(0.5))))
        bottom = min(size - 1, int(np.floor(max(ya, yb, yc) - np.float32(0.5))))
        inverse = np.float32(1) / area
        za, zb, zc = at[a + 2], at[b + 2], at[c + 2]
        for row in range(top, bottom + 1):
            y = np.float32(row) + np.float32(0.5)
            for column in range(left, right + 1):
                x = np.float32(column) + np.float32(0.5)
                u = ((x - xa) * (yc - ya) - (xc - xa) * (y - ya)) * inverse
                v = ((xb - xa) * (y - ya) - (x - xa) * (yb - ya)) * inverse
                w = np.float32(1) - u - v
                z, before = w * za + u * zb + v * zc, depth[row, column]
                is_nearer = (u >= 0) & (v >= 0) & (w >= 0) & (z < before)
                depth[row, column] = z if is_nearer else before


@_kernel
@no_type_check
def _interpolate(rows, weights, triangles, values, out):
    for i in range(rows.shape[0]):
        t = rows[i]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        wb, wc = weights[i, 0], weights[i, 1]
        wa = np.float32(1) - wb - wc
        for k in range(values.shape[1]):
            out[i, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


@_kernel
@no_type_check
def _normals(vertices, triangles, out):
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            out[k, 0] += nx
            out[k, 1] += ny
            out[k, 2] += nz
    for i in range(out.shape[0]):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        if length > 0:
            out[i, 0] /= length
            out[i, 1] /= length
            out[i, 2] /= length
