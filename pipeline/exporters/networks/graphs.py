"""The three networks of a student as graphs for other runtimes."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.inference.runtimes.exported import encoder_graph
from pipeline.inference.runtimes.metadata import IMAGE, PLANES
from pipeline.inference.runtimes.onnx_graph import Graph
from pipeline.inference.runtimes.runtime import only_encodes
from pipeline.lifter import Lifter
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.wysiwyg.renderer import WysiwygRenderer

from .clamped_triplane import ClampedTriplane

NetworkName = Literal["encoder", "decoder", "renderer"]

NETWORKS: tuple[NetworkName, ...] = ("encoder", "decoder", "renderer")

FAR = 1000.0
"""Boxes: a coordinate that is farther or not finite counts as this."""

MEANINGS = {
    "image": IMAGE,
    "planes": PLANES,
    "points": "world units, y up, the face along +z; what isn't finite lies far outside",
    "colors": "the first three are sRGB, nominally in [0, 1], before super-resolution; the others"
    " are the decoder's features",
    "density_logit": "what the density activation takes",
    "density": "per world unit, at least 0",
    "cam_to_world": "camera to world, 4x4; camera axes x right, y down, z forward",
    "intrinsics": "3x3, divided by the image size",
    "view": "sRGB in [-1, 1]",
    "depth": "expected distance from the camera, world units; meaningless where nothing is seen",
    "opacity": "in [0, 1]",
}
"""Of inputs and outputs, by name."""


def network_graph(lifter: Lifter, network: NetworkName, image_size: int) -> Graph:
    """The graph of a network.

    encoder: image → planes. decoder: planes, points → colors, density_logit, density. renderer:
    planes, cam_to_world, intrinsics → view, depth, opacity; one view at a time.

    Raises:
        ValueError: the student lifts in a way of its own, or its renderer isn't a triplane's or
            samples as a network says.
    """
    if network == "encoder":
        if not only_encodes(lifter):
            raise ValueError(
                f"a {type(lifter).__name__} lifts in a way of its own, which an encoder alone"
                " doesn't: it can't be exported"
            )
        return encoder_graph(lifter.encoder, image_size)
    renderer, passport = lifter.renderer, lifter.passport
    if not isinstance(renderer, TriplaneRenderer):
        raise ValueError(
            f"network={network} takes a student whose renderer is a TriplaneRenderer, not a"
            f" {type(renderer).__name__}"
        )
    side = passport.plane_resolution
    planes = torch.zeros(2, 3, passport.stored_channels, side, side)
    if network == "decoder":
        return Graph(
            Decoder(renderer, passport),
            {"planes": planes, "points": torch.zeros(2, 64, 3)},
            ("colors", "density_logit", "density"),
            {"planes": {0: "batch"}, "points": {0: "batch", 1: "point"}},
        )
    if isinstance(renderer, WysiwygRenderer) and renderer.uses_proposals:
        raise ValueError(
            f"the rays of teacher {passport.name!r} get as many samples as its sampler finds"
            " necessary, which a graph of fixed sizes can't say: give network=encoder or decoder"
        )
    camera = passport.orbit(torch.zeros(1))
    return Graph(
        ViewRenderer(renderer, passport),
        {
            "planes": planes[:1],
            "cam_to_world": camera.cam_to_world,
            "intrinsics": camera.intrinsics,
        },
        ("view", "depth", "opacity"),
    )


class Decoder(nn.Module):
    """The field of a triplane, at points."""

    def __init__(self, renderer: TriplaneRenderer, passport: Passport) -> None:
        super().__init__()
        self.renderer, self.passport = renderer, passport

    def forward(
        self,
        planes: Float[Tensor, "batch 3 channel height width"],
        points: Float[Tensor, "batch point 3"],
    ) -> tuple[
        Float[Tensor, "batch point feature"],
        Float[Tensor, "batch point 1"],
        Float[Tensor, "batch point 1"],
    ]:
        """Colours, density logits and densities."""
        points = within_reach(points, self.passport)
        field = self.renderer.field(clamped(self.passport, planes))
        features, logit = field(points)
        return colored(self.renderer, features), logit, field.density_activation(logit)


class ViewRenderer(nn.Module):
    """A triplane and a camera → a view, its depth and opacity."""

    def __init__(self, renderer: TriplaneRenderer, passport: Passport) -> None:
        super().__init__()
        # All rays at once: a graph has no loop over pieces.
        self.renderer = renderer.changed(max_points=1 << 62)
        self.passport = passport

    def forward(
        self,
        planes: Float[Tensor, "1 3 channel height width"],
        cam_to_world: Float[Tensor, "1 4 4"],
        intrinsics: Float[Tensor, "1 3 3"],
    ) -> tuple[
        Float[Tensor, "1 3 view_height view_width"],
        Float[Tensor, "1 1 ray_height ray_width"],
        Float[Tensor, "1 1 ray_height ray_width"],
    ]:
        """Deterministic: ray samples sit where `Renderer` puts them without jitter."""
        camera = Camera(cam_to_world, intrinsics)
        found = self.renderer(clamped(self.passport, planes), camera)
        return found.image, found.depth, found.opacity


def colored(
    renderer: TriplaneRenderer, features: Float[Tensor, "batch point feature"]
) -> Float[Tensor, "batch point feature"]:
    """Features of points with the colours that the renderer shows in place of the first three."""
    colors = renderer.point_colors(features)
    # Some runtimes take no tensors without elements: nothing is appended where nothing is left.
    return colors if features.shape[-1] == 3 else torch.cat([colors, features[..., 3:]], -1)


def clamped(
    passport: Passport, planes: Float[Tensor, "batch 3 channel height width"]
) -> ClampedTriplane:
    """`Passport.triplane`, for other runtimes."""
    return ClampedTriplane(**vars(passport.triplane(planes)))


def within_reach(
    points: Float[Tensor, "batch point 3"], passport: Passport
) -> Float[Tensor, "batch point 3"]:
    """Points with finite coordinates; a decoder's prior takes them, too."""
    farthest = FAR * passport.box_size
    return torch.where(points.abs() < farthest, points, farthest)
