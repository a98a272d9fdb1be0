"""Density or signed distance → triangles: marching cubes (Lorensen and Cline 1987; Lewiner et al.
2003).

The grid is filled in blocks that fit a processor's cache, and only where the surface is: a grid of
every fourth sample tells which blocks it crosses, and a block at whose side it leaves adds the next
one. The grid of 512³ takes 0.5 GB.
"""

import itertools
import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int

from teachers.rendering.density import DensityActivation

from .mesh import largest_component

Logits = Callable[[Float[np.ndarray, "point 3"]], Float[np.ndarray, " point"]]
"""World points → what the density activation takes, or signed distances."""

BLOCK = 32
STRIDE = 4

OPAQUE_WITHIN = 1 / 25
"""Of the box's side. The surface is where this length of the density would be half opaque. Of 1/50
to 1/10, this one's pictures were nearest to the field's on puppets of the training split that the
bundled student lifted (docs/export.md).
"""


def surface_logit(
    activation: DensityActivation, box_size: float, opaque_within: float = OPAQUE_WITHIN
) -> float:
    """The level of the surface in the decoder's output, which is larger inside.

    A density σ makes a length d opaque by 1 − exp(−σ d). The level is that of σ = ln 2 / d with d =
    `opaque_within` of the box: 17 / box, whatever the grid's resolution.

    Raises:
        ValueError: the activation never reaches that density.
    """
    ends = activation(torch.tensor([-1e4, 1e4]))
    wanted = math.log(2) / (opaque_within * box_size)
    low, high = -1e4, 1e4
    if not ends[0] < wanted < ends[1]:
        raise ValueError(
            f"densities of this teacher lie in [{ends[0]:g}, {ends[1]:g}] and never reach"
            f" {wanted:g}: there is no surface"
        )
    for _ in range(80):
        middle = (low + high) / 2
        if activation(torch.tensor(middle, dtype=torch.float64)) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def extract_surface(
    logits: Logits, *, level: float, sign: int, box_size: float, resolution: int
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """The largest closed surface inside the box, world units; it is closed at the box's sides.

    Args:
        logits: the field.
        level: of the surface: `surface_logit` of a density, 0 of a distance.
        sign: 1 where values are larger inside (densities), −1 where outside (distances).
        box_size: side of the cube about the origin.
        resolution: samples along a side.

    Raises:
        ValueError: there is no surface, or a value isn't finite.
    """
    from skimage.measure import marching_cubes

    grid = Grid(logits, level, sign, box_size, resolution)
    volume = grid.filled()
    if not (volume.min() < 0 < volume.max()):
        raise ValueError(
            f"the field has no surface at the level {level:g} in a grid of {resolution}³"
        )
    found, faces, _, _ = marching_cubes(
        volume, 0.0, gradient_direction="ascent", allow_degenerate=False
    )
    # index 1 of the volume is the first sample
    vertices = ((found - 0.5) / resolution - 0.5) * box_size
    return largest_component(vertices.astype(np.float32), faces.astype(np.int64))


class Grid:
    """Samples at the middles of resolution³ cells, filled where the surface is.

    Args:
        logits, level, sign, box_size, resolution: see `extract_surface`.
    """

    def __init__(
        self, logits: Logits, level: float, sign: int, box_size: float, resolution: int
    ) -> None:
        self.logits, self.level, self.sign, self.size = logits, level, sign, resolution
        self.axis = (((np.arange(resolution) + 0.5) / resolution - 0.5) * box_size).astype(
            np.float32
        )
        self.blocks = -(-resolution // BLOCK)

    def filled(self) -> Float[np.ndarray, "x y z"]:
        """Positive inside, negative outside, one layer of outside around: blocks without surface
        hold ±1.
        """
        coarse = np.empty((len(self.axis[::STRIDE]),) * 3, np.float32)
        for part in self._parts(len(coarse)):
            coarse[part] = self._at(*(self.axis[::STRIDE][rows] for rows in part))
        inside = coarse > 0
        volume = np.full((self.size + 2,) * 3, -1, np.float32)
        inner = volume[1:-1, 1:-1, 1:-1]
        waiting = []
        for block in itertools.product(range(self.blocks), repeat=3):
            width = BLOCK // STRIDE
            near = inside[tuple(slice(max(0, i * width - 1), (i + 1) * width + 1) for i in block)]
            inner[self._rows(block)] = 1 if near.flat[0] else -1
            if near.any() and not near.all():
                waiting.append(block)
        done = set(waiting)
        while waiting:
            block = waiting.pop()
            rows = self._rows(block)
            inner[rows] = self._at(*(self.axis[r] for r in rows))
            for other in self._left_at(inner, block):
                if other not in done:
                    done.add(other)
                    waiting.append(other)
        return volume

    def _left_at(
        self, inner: Float[np.ndarray, "x y z"], block: tuple[int, ...]
    ) -> list[tuple[int, ...]]:
        """The neighbours into which the surface leaves a block."""
        rows, found = self._rows(block), []
        for axis, side in itertools.product(range(3), (-1, 1)):
            other = tuple(i + side * (k == axis) for k, i in enumerate(block))
            if not 0 <= other[axis] < self.blocks:
                continue
            last = rows[axis].start if side < 0 else rows[axis].stop - 1
            mine, theirs = list(rows), list(rows)
            mine[axis], theirs[axis] = slice(last, last + 1), slice(last + side, last + side + 1)
            if ((inner[tuple(mine)] > 0) != (inner[tuple(theirs)] > 0)).any():
                found.append(other)
        return found

    def _rows(self, block: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(i * BLOCK, min((i + 1) * BLOCK, self.size)) for i in block)

    def _parts(self, size: int) -> list[tuple[slice, ...]]:
        starts = range(0, size, BLOCK)
        return [
            tuple(slice(start, min(start + BLOCK, size)) for start in corner)
            for corner in itertools.product(starts, repeat=3)
        ]

    def _at(
        self,
        x: Float[np.ndarray, " columns"],
        y: Float[np.ndarray, " rows"],
        z: Float[np.ndarray, " layers"],
    ) -> Float[np.ndarray, "columns rows layers"]:
        points = np.stack(np.meshgrid(x, y, z, indexing="ij"), -1).reshape(-1, 3)
        values = self.sign * (self.logits(points) - self.level)
        if not np.isfinite(values).all():
            raise ValueError(
                "the field has values that aren't finite, so that it has no surface: is the"
                " triplane damaged?"
            )
        # a value at the level makes empty faces
        values = np.where(values == 0, np.float32(1e-6), values)
        return values.reshape(len(x), len(y), len(z)).astype(np.float32)
