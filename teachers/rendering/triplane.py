"""Three axis-aligned feature planes (EG3D sec. 3), or stacks of planes (PanoHead's tri-grid)."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.kernels import fast_kernels

EG3D_AXES = ("xy", "xz", "zx")
"""What the published EG3D weights were trained with: there is no yz plane (eg3d issue 67)."""

ORTHOGONAL_AXES = ("xy", "xz", "yz")
"""Three different planes: what EG3D's paper describes; PanoHead's order."""


@dataclass(frozen=True)
class Triplane:
    """Feature planes with their named axes.

    Attributes:
        planes: features; height and width run over the cube of side `box_size` about the origin.
            With `depth` D, channel c·D + d is feature c of the d-th plane of a stack.
        axes: for each plane the world coordinate along its width, then along its height (`"xz"`:
            column x, row z). A stack runs along the third one.
        box_size: side of the cube in world units. Outside it, every feature is 0.
        depth: planes in a stack; 1 is EG3D's triplane, which ignores the third coordinate.
        aggregation: how the three features of a point become one: "mean" (EG3D), or "product"
            (element by element: WYSIWYG sec. 3).
        product_gain: of a product, how far planes reach from 1: with the gain g the features f
            become (Π(1 + g f) - 1) / 3g, which is their mean for small g, and 0 where they are. 0
            is the plain product.
    """

    planes: Float[Tensor, "batch 3 channel height width"]
    axes: tuple[str, str, str] = EG3D_AXES
    box_size: float = 1.0
    depth: int = 1
    aggregation: Literal["mean", "product"] = "mean"
    product_gain: float = 0.0

    def sample(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point channel"]:
        """The mean (or product) over the planes of the features at world points, zeros outside
        (EG3D sec. 3).

        Bilinear; trilinear in stacks.

        Raises:
            ValueError: another number of triplanes than of point sets.
        """
        if not torch.compiler.is_compiling() and len(points) != len(self.planes):
            raise ValueError(
                f"points of {len(points)} identities came for {len(self.planes)} triplanes:"
                " give one set for each"
            )
        if fast_kernels():
            from .fast import lookup  # numba is loaded where it is used

            if lookup.covers(self, points):
                return lookup.sample(self, points, lambda p, x: self.with_planes(p)._sample(x))
        return self._sample(points)

    def _sample(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point channel"]:
        """As `sample`, in PyTorch's own operators."""
        if self.depth > 1:
            return self._aggregated(self.sample_stacks(points))
        batch, _, channel, height, width = self.planes.shape
        columns_rows = torch.tensor(
            [["xyz".index(axis) for axis in axes] for axes in self.axes], device=points.device
        )
        # ±1 are the outer edges of the border texels (align_corners=False), as in EG3D's training.
        grid = (points * (2 / self.box_size))[:, :, columns_rows]  # batch point plane 2
        grid = grid.transpose(1, 2).reshape(batch * 3, 1, -1, 2)
        planes = self.planes.reshape(batch * 3, channel, height, width).contiguous(
            memory_format=torch.channels_last
        )
        features = F.grid_sample(
            planes, grid.to(self.planes), align_corners=False
        )  # channels last: 1.4 to 1.8 times faster on a CPU
        # EG3D's text sums the planes, its code takes their mean, and so does LP3D (eq. 1).
        return self._aggregated(features.reshape(batch, 3, channel, -1)).mT

    def _aggregated(self, features: Tensor) -> Tensor:
        if self.aggregation == "mean":
            return features.mean(1)
        if self.product_gain == 0:
            return features.prod(1)
        # Multiplied out: nothing is lost to the 1 in few digits.
        gain, (a, b, c) = self.product_gain, features.unbind(1)
        return (a + b + c + gain * (a * b + (a + b + gain * a * b) * c)) / 3

    def sample_stacks(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch 3 point channel"]:
        """The features of each stack at world points, trilinear, zeros outside.

        The planes of a stack lie like texels: the k-th of D in the middle of the k-th of D equal
        slices of the box. Beyond the outer ones features fade, to half at the faces.
        """
        order = torch.tensor(
            [["xyz".index(axis) for axis in (*axes, third_axis(axes))] for axes in self.axes],
            device=points.device,
        )
        grid = (points * (2 / self.box_size))[:, :, order]  # batch point plane 3
        grid = rearrange(grid, "batch point plane xyz -> (batch plane) 1 1 point xyz")
        volumes = rearrange(
            self.planes,
            "batch plane (channel depth) height width -> (batch plane) channel depth height width",
            depth=self.depth,
        )
        features = F.grid_sample(volumes, grid.to(volumes), align_corners=False)
        return rearrange(
            features, "(batch plane) channel 1 1 point -> batch plane point channel", plane=3
        )

    def with_planes(
        self, planes: Float[Tensor, "other_batch 3 other_channel other_height other_width"]
    ) -> "Triplane":
        """Other planes with the same axes, box and depth."""
        return replace(self, planes=planes)

    def repeat_interleave(self, views: int) -> "Triplane":
        """Each identity repeated for `views` consecutive cameras."""
        return self.with_planes(self.planes.repeat_interleave(views, 0))

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, rows: slice | Tensor) -> "Triplane":
        return self.with_planes(self.planes[rows])


def third_axis(axes: str) -> str:
    """The coordinate that a plane leaves out: `"xz"` → `"y"`."""
    (left_out,) = set("xyz") - set(axes)
    return left_out
