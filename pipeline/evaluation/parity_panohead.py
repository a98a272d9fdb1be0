"""This project's values of the quantities in a reference dump of PanoHead's official code.

Those that EG3D has, too, come from `parity_quantities`. Marked by their names: `forward_…` is the
whole network's call, which shifts the camera; `sigmoid_…`, `lrelu_…`, `otherbcg_…`, `notorgb_…`,
`nobcg_…` and `whiteback_nobcg_…` change one thing.
"""

import copy
import math
from typing import cast

import torch
from torch import Tensor

from teachers.panohead.decoder import PanoHeadDecoder
from teachers.panohead.generator import PanoHeadGenerator
from teachers.panohead.renderer import PanoHeadRenderer
from teachers.rendering.renderer import TriplaneField
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane, third_axis

from .parity_quantities import Quantities

TINY_DEPTHS = (1, 2, 3)
WIDER_BOX = 1.6


class PanoHeadQuantities(Quantities):
    """Our side of a comparison with a dump of PanoHead (see `Quantities`)."""

    generator: PanoHeadGenerator

    def _compute(self) -> None:
        super()._compute()
        for depth in TINY_DEPTHS:
            if self._has("tiny_pts", f"tiny_d{depth}_planes"):
                self.ours[f"tiny_d{depth}_feat"] = self._tiny_features(depth, 1.0)
        if self._has("tiny_pts", "tiny_d3_planes"):
            self.ours["tiny_box16_d3_feat"] = self._tiny_features(3, WIDER_BOX)
        if not self._has("z", "c", "c_cond"):
            return
        self._shift()
        if self._has("forward_u_coarse", "forward_u_fine"):
            self._whole_call()

    def _projection(self) -> Tensor:
        """Column, row and slice of the point (1, 2, 3), `[plane 3]`."""
        axes = self.generator.config.plane_axes
        order = [["xyz".index(axis) for axis in (*own, third_axis(own))] for own in axes]
        return torch.tensor([1.0, 2.0, 3.0])[torch.tensor(order)]

    def _points(self, triplane: Triplane) -> None:
        """Points of space aren't cropped, those on rays are."""
        points = self._tensor("pts")
        field = TriplaneField(triplane, self.generator.renderer.decoder)
        self.ours["pts_rgb"], self.ours["pts_sigma"] = field(points)
        self.ours["pts_planefeat"] = triplane.sample_stacks(points)

    def _tiny_features(self, depth: int, box_size: float) -> Tensor:
        planes = self._tensor(f"tiny_d{depth}_planes")
        stacks = Triplane(planes, ORTHOGONAL_AXES, box_size, depth)
        return stacks.sample_stacks(self._tensor("tiny_pts"))

    def _samples(self, triplane: Triplane) -> None:
        super()._samples(triplane)
        uncropped = TriplaneField(triplane, self.generator.renderer.decoder)
        self.ours["sigma_coarse_uncropped"] = self._logits_at_their_points(uncropped)

    def _pictures(self, triplane: Triplane, ws: Tensor) -> None:
        super()._pictures(triplane, ws)
        renderer = self._panohead(self.resolution)
        raw = self.ours["image_raw"]
        self.ours["sr_in_rgb"] = raw
        self.ours["image_mask"] = _mask(self.ours["weight_total"])
        self.ours["features_fg"] = self._foreground(renderer, triplane, self._jitter(), len(ws))
        if renderer.background_network is not None:
            network = renderer.background_network
            self.ours["bcg_full"] = network(ws[:, : network.num_ws], renderer.noise)
            self.ours["bcg_resized_ch0_3"] = renderer._background(len(ws), ws)[:, :4]
        if self._has("act_u_coarse", "act_u_fine"):
            self._one_thing_changed(triplane, ws)

    def _foreground(
        self, renderer: PanoHeadRenderer, triplane: Triplane, jitter: RayJitter, count: int
    ) -> Tensor:
        """Composited colours in front of nothing, as the decoder gives them."""
        bare = copy.copy(renderer)
        bare._modules = {**renderer._modules, "background_network": None, "super_resolution": None}
        bare.has_signed_features = True
        return bare(triplane, self._camera()[:count], self.ours["ws"][:count], jitter).feature_image

    def _one_thing_changed(self, triplane: Triplane, ws: Tensor) -> None:
        jitter, first = self._jitter("act_"), ws[:1]
        resolution = math.isqrt(jitter.coarse.shape[1])

        def draw(renderer: PanoHeadRenderer, behind: Tensor | None = None) -> Rendering:
            return renderer(triplane[:1], self._camera()[:1], first, jitter, background_ws=behind)

        for name in ("sigmoid", "lrelu"):
            renderer = self._panohead(resolution)
            decoder = copy.copy(cast(PanoHeadDecoder, renderer.decoder))
            decoder.activation = name
            renderer.decoder, renderer.has_signed_features = decoder, name != "sigmoid"
            drawn = draw(renderer)
            self.ours |= {
                f"{name}_features_fg": self._foreground(renderer, triplane[:1], jitter, 1),
                f"{name}_features": drawn.feature_image,
                f"{name}_image_raw": drawn.image_raw,
                f"{name}_image": drawn.image,
            }
        drawn = draw(self._panohead(resolution), ws[1:2])
        self.ours["otherbcg_image_raw"] = drawn.image_raw
        self.ours["otherbcg_features"] = drawn.feature_image
        renderer = self._panohead(resolution)
        renderer.to_rgb = None
        drawn = draw(renderer)
        self.ours |= {"notorgb_image_raw": drawn.image_raw, "notorgb_image": drawn.image}
        renderer = self._panohead(resolution)
        renderer.background_network = None
        self.ours["nobcg_image_raw"] = draw(renderer).image_raw
        renderer.background = 1.0
        self.ours["whiteback_nobcg_image_raw"] = draw(renderer).image_raw

    def _native(self, triplane: Triplane, ws: Tensor) -> None:
        super()._native(triplane, ws)
        renderer = self._panohead(math.isqrt(self.dump["native_u_coarse"].shape[1]))
        clean = copy.copy(renderer)
        clean._modules = {**renderer._modules, "super_resolution": None}
        drawn = clean(triplane, self._camera()[:1], ws, self._jitter("native_"))
        self.ours["native_rgb_before_sr"] = drawn.image_raw
        self.ours["native_image_mask"] = _mask(drawn.opacity)

    def _shift(self) -> None:
        """Where the whole call moves the cameras."""
        if self.generator.camera_shift is None:
            return
        z, camera = self._tensor("z"), self._camera()
        for name, truncation in (("_psi1", 1.0), ("", self.truncation), ("_psi07_nocutoff", 0.7)):
            moved = self.generator.shifted_camera(z, camera, truncation=truncation)
            self.ours[f"delta_c{name}"] = (moved.cam_to_world - camera.cam_to_world)[:, :3, 3]
        moved = self.generator.shifted_camera(z, camera, truncation=self.truncation)
        self.ours["c_shifted"] = moved.label()

    def _whole_call(self) -> None:
        z, camera, jitter = self._tensor("z"), self._camera(), self._jitter("forward_")
        ws = self._truncated(z, camera)
        moved = self.generator.shifted_camera(z, camera, truncation=self.truncation)
        renderer = self._panohead(math.isqrt(jitter.coarse.shape[1]))
        drawn = renderer(self.generator.synthesize(ws), moved, ws, jitter)
        self.ours |= {
            "forward_ray_origins": moved.rays(1).origins[:, :1],
            "forward_ws": ws[:, [0, -1]],
            "forward_image_raw": drawn.image_raw,
            "forward_image_mask": _mask(drawn.opacity),
            "forward_image": drawn.image,
        }

    def _panohead(self, resolution: int) -> PanoHeadRenderer:
        return cast(PanoHeadRenderer, self._renderer(resolution))


def _mask(opacity: Tensor) -> Tensor:
    """The official code's mask: the opacity, widened as its colours are."""
    return opacity * 1.002 - 0.001
