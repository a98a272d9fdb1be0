"""Plane features and a position → signed distance, its sharpness, and a view-dependent colour
(WYSIWYG sec. 3, table A1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.eg3d.decoder import Decoder
from teachers.rendering.renderer import TriplaneField

MEAN_BETA, BETA_SPREAD = 0.01, 0.0099
"""β lies between .0001 and .0199, at .01 in the beginning; world units."""

SHARPNESS = 100.0
"""Of the distance's softplus: nearly a ReLU (the text says one, the table the other), with the
smooth normals that a ReLU doesn't give."""


@dataclass(frozen=True)
class AsItIs:
    """The density activation of a decoder whose output is a density already."""

    def __call__(self, logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The densities."""
        return logits


def positional_code(
    x: Float[Tensor, "*batch coordinate"], frequencies: int
) -> Float[Tensor, "*batch code"]:
    """x, then sin(2ᵏ π x) and cos(2ᵏ π x) for k < `frequencies` (NeRF eq. 4)."""
    scales = math.pi * 2.0 ** torch.arange(frequencies, device=x.device, dtype=x.dtype)
    angles = (x[..., None] * scales).flatten(-2)
    return torch.cat([x, angles.sin(), angles.cos()], -1)


def laplace_density(
    distance: Float[Tensor, "*batch"], beta: Float[Tensor, "#*batch"]
) -> Float[Tensor, "*batch"]:
    """VolSDF's density: the CDF of a Laplace distribution of scale β at minus the distance, over β
    (Yariv et al. 2021, eq. 2).
    """
    half = 0.5 * torch.exp(-distance.abs() / beta)
    return torch.where(distance > 0, half, 1 - half) / beta


def ellipsoid_distance(
    points: Float[Tensor, "*batch 3"], ellipsoids: Float[Tensor, "row 6"]
) -> Float[Tensor, "*batch 1"]:
    """Nearly the signed distance to the union of ellipsoids, exact in sign and near the surface to
    first order.

    Args:
        points: world units.
        ellipsoids: rows of centre and semi-axes, world units.
    """
    local = points[..., None, :] - ellipsoids[:, :3]
    semi_axes = ellipsoids[:, 3:]
    away = ((local / semi_axes).square().sum(-1) + 1e-12).sqrt()
    # f / |grad f| of f = |p / r| - 1 (Taubin 1991, eq. 5); at the centre it is the least semi-axis.
    slope = ((local / semi_axes.square()).square().sum(-1) + 1e-12 / semi_axes.amin(-1) ** 2).sqrt()
    return ((away - 1) * away / slope).amin(-1, keepdim=True)


class DistanceField(TriplaneField):
    """A `DistanceDecoder` over a triplane."""

    def signed_distance(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Distance to the surface, negative inside, world units; its zeros are the surface."""
        decoder = cast(DistanceDecoder, self.decoder)
        return decoder.distance_and_beta(self.triplane.sample(points), points)[0]


class DirectionalDistanceField(DistanceField):
    """A decoder over a triplane whose colours depend on the view, as in training."""

    def along(
        self, points: Float[Tensor, "batch point 3"], directions: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point 3"], Float[Tensor, "batch point 1"]]:
        """Colours and densities at world points, seen along unit vectors."""
        colors, densities = self.decoder(self.triplane.sample(points), points, directions)
        return colors, densities


class DistanceDecoder(nn.Module):
    """Features and points → colours and densities; signed distances beside them.

    Its `density_activation` changes nothing: β is a point's own, so that the densities are made
    here. Called without directions, colours are those seen from the front (as at inference).

    Args:
        plane_channels: features of a point.
        box_size: side of the cube that is coded as [-1, 1].
        hidden, geometry, color_hidden: widths.
        position_frequencies, direction_frequencies: of the codes.
        radius: of the sphere that an untrained network stands for, world units.
        prior: ellipsoids (centre, semi-axes; world units) that it stands for instead.
        solid: ellipsoids inside every head, which the network can't carve into (see
            `EllipsoidPrior`).
        feature_gain: what the features of a point are multiplied by first.
    """

    density_activation = AsItIs()
    prior: Tensor
    solid: Tensor

    def __init__(
        self,
        *,
        plane_channels: int,
        box_size: float,
        hidden: int,
        geometry: int,
        color_hidden: int,
        position_frequencies: int,
        direction_frequencies: int,
        radius: float,
        prior: Sequence[Sequence[float]] = (),
        solid: Sequence[Sequence[float]] = (),
        feature_gain: float = 1.0,
    ) -> None:
        super().__init__()
        for name, rows in (("prior", prior), ("solid", solid)):
            table = torch.tensor([list(row) for row in rows]).reshape(-1, 6)
            self.register_buffer(name, table, persistent=False)
        self.box_size, self.radius = box_size, radius
        self.feature_gain = feature_gain
        self.position_frequencies = position_frequencies
        self.direction_frequencies = direction_frequencies
        self._code_size = 3 * (1 + 2 * position_frequencies)
        inputs = self._code_size + plane_channels
        self.distance = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.Softplus(SHARPNESS),
            nn.Linear(hidden, hidden),
            nn.Softplus(SHARPNESS),
            nn.Linear(hidden, 2 + geometry),
        )
        seen_from = 3 * (1 + 2 * direction_frequencies)
        self.color = nn.Sequential(
            nn.Linear(seen_from + geometry, color_hidden),
            nn.Softplus(),
            nn.Linear(color_hidden, 3),
        )
        self.start_as_sphere()

    @torch.no_grad()
    def start_as_sphere(self) -> None:
        """An untrained network is nearly the distance to the sphere, or to the prior's ellipsoids;
        features and frequencies have no say yet.

        The geometric initialisation of Atzmon and Lipman (SAL, CVPR 2020, theorem 1) holds for wide
        layers; at 32 to 128 its distances are a tenth off. So the hidden layers are drawn as there,
        and the last row is the least squares' on points of the box.
        """
        first, second, last = (cast(nn.Linear, self.distance[layer]) for layer in (0, 2, 4))
        for layer in (first, second):
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / layer.out_features))
        first.weight[:, 3:] = 0
        nn.init.normal_(last.weight[1:], 0.0, 1 / math.sqrt(last.in_features))
        nn.init.zeros_(last.bias)
        nn.init.zeros_(last.weight[1:2])  # β starts as .01 everywhere
        points = (torch.rand(4096, 3) - 0.5) * self.box_size
        features = points.new_zeros(len(points), first.in_features - self._code_size)
        code = positional_code(points * (2 / self.box_size), self.position_frequencies)
        hidden = self.distance[:4](torch.cat([code, features], -1))
        rows = torch.cat([hidden, torch.ones_like(hidden[:, :1])], 1).double()
        distance, less = points.norm(dim=1, keepdim=True).double(), self.radius
        if len(self.prior):
            distance, less = ellipsoid_distance(points, self.prior).double(), 0.0
        ridge = 1e-6 * len(points) * torch.eye(rows.shape[1], dtype=torch.float64)
        solved = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ distance)[:, 0]
        last.weight[0] = solved[:-1]
        last.bias[0] = solved[-1] - less

    @torch.no_grad()
    def notice_features(self, deviation: float) -> None:
        """Gives features weights in the first layer, normally distributed, instead of none."""
        nn.init.normal_(
            cast(nn.Linear, self.distance[0]).weight[:, self._code_size :], 0.0, deviation
        )

    def forward(
        self,
        features: Float[Tensor, "batch point channel"],
        points: Float[Tensor, "batch point 3"],
        directions: Float[Tensor, "batch point 3"] | None = None,
    ) -> tuple[Float[Tensor, "batch point 3"], Float[Tensor, "batch point 1"]]:
        """Colours and densities per world unit.

        Args:
            features: of the planes.
            points: world units.
            directions: unit vectors along which the points are seen; None: from the front.
        """
        out = self._geometry(features, points)
        return self._colors(out[..., 2:], directions), self._density(out)

    def density_logit(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Densities alone (`density_activation` leaves them as they are)."""
        return self._density(self._geometry(features, points))

    def distance_and_beta(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point 1"], Float[Tensor, "batch point 1"]]:
        """Signed distance (negative inside) and β, world units."""
        out = self._geometry(features, points)
        return out[..., :1], self._beta(out)

    def _geometry(self, features: Tensor, points: Tensor) -> Tensor:
        code = positional_code(points * (2 / self.box_size), self.position_frequencies)
        out = cast(Tensor, self.distance(torch.cat([code, self.feature_gain * features], -1)))
        if not len(self.solid):
            return out
        distance = torch.minimum(out[..., :1], ellipsoid_distance(points, self.solid))
        return torch.cat([distance, out[..., 1:]], -1)

    def _beta(self, out: Tensor) -> Tensor:
        return MEAN_BETA + BETA_SPREAD * torch.tanh(2 * out[..., 1:2])

    def _density(self, out: Tensor) -> Tensor:
        return laplace_density(out[..., :1], self._beta(out))

    def _colors(self, geometry: Tensor, directions: Tensor | None) -> Tensor:
        if directions is None:
            directions = geometry.new_tensor([0.0, 0.0, -1.0]).expand(*geometry.shape[:-1], 3)
        code = positional_code(directions, self.direction_frequencies)
        return Decoder.colors(self.color(torch.cat([code, geometry], -1)))
