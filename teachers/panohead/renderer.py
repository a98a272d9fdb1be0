"""Tri-grid × camera → image: EG3D's renderer in front of a background that a network draws."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.eg3d.decoder import Decoder
from teachers.eg3d.superresolution import SuperResolution, shrunk, style_latent
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneField, TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.stylegan.modulated import NoiseMode, ToRGB
from teachers.stylegan.synthesis import SynthesisNetwork

from .decoder import CroppedField


class PanoHeadRenderer(TriplaneRenderer):
    """A `Renderer` of decoder, crop, background network, raw image and super-resolution.

    The raw image isn't the first three feature channels where `to_rgb` makes it.

    Args:
        crop: |x| and |z| beyond which nothing is rendered, world units.
        has_signed_features: colours of the decoder are in the range of images already; False:
            they are in [0, 1].
        background_network: ws → feature image behind the head; None: none.
        to_rgb: features and a latent → raw image; None: the first three features.
        latent: which latent the two are given (see `SuperResolution`).
        noise: of the background network.
        arguments: see `TriplaneRenderer`.
    """

    w_mean: Tensor

    def __init__(
        self,
        *,
        crop: float,
        has_signed_features: bool,
        background_network: SynthesisNetwork | None,
        to_rgb: ToRGB | None,
        latent: str,
        w_dim: int,
        noise: NoiseMode,
        **arguments: object,
    ) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.crop, self.has_signed_features = crop, has_signed_features
        self.background_network, self.to_rgb = background_network, to_rgb
        self.latent, self.noise = latent, noise
        self.register_buffer("w_mean", torch.zeros(w_dim))

    @property
    def reads_all_ws(self) -> bool:
        """An image depends on the w of each layer, not on the last one alone."""
        return self.background_network is not None and self.latent == "teacher_w"

    def forward(
        self,
        triplane: Triplane,
        camera: Camera,
        ws: Float[Tensor, "batch layer w_dim"] | None = None,
        jitter: RayJitter | None = None,
        *,
        background_ws: Float[Tensor, "batch layer w_dim"] | None = None,
    ) -> Rendering:
        """One image per row of triplane and camera (see `Teacher.render`).

        Args:
            triplane, camera, ws, jitter: as everywhere.
            background_ws: another identity's, for the background; None: `ws`.
        """
        self._require_pairs(triplane, camera)
        features, depth, opacity = self._volume_render(triplane, camera, jitter)
        if self.background_network is not None:
            behind = self._background(len(features), ws if background_ws is None else background_ws)
            features = features + (1 - opacity) * behind
        image = published = raw = self._raw(features, ws)
        if isinstance(self.super_resolution, SuperResolution):
            image = self.super_resolution(features, ws, raw)
            if self.sampling.compat == "official":
                published = self.super_resolution.image_raw_as_published(features, ws, raw)
        return Rendering(image, published, features, depth, opacity)

    def field(self, triplane: Triplane) -> TriplaneField:
        """What is rendered: the decoder over a tri-grid, without the border of the box."""
        return CroppedField(triplane, cast(Decoder, self.decoder), self.crop)

    def point_colors(
        self, features: Float[Tensor, "batch point feature"]
    ) -> Float[Tensor, "batch point 3"]:
        """See `TriplaneRenderer`; the raw image is affine in the features, so that its colours may
        be composited in place of them.

        Raises:
            ValueError: the raw image needs each identity's w (`latent` "teacher_w").
        """
        raw = self._raw(self._pictured(features).mT[..., None], None)
        return (raw[..., 0].mT + 1) / 2

    def _raw(self, features: Tensor, ws: Tensor | None) -> Tensor:
        """Raw image of a feature image."""
        if self.to_rgb is None:
            return features[:, :3]
        # `len` would fix the batch of an exported network.
        return self.to_rgb(features, self._latents(features.shape[0], ws, 1)[:, -1])

    def _pictured(self, features: Tensor) -> Tensor:
        return features if self.has_signed_features else super()._pictured(features)

    def _background(self, batch: int, ws: Tensor | None) -> Tensor:
        """Feature image of the background, `[batch feature resolution resolution]`."""
        network = cast(SynthesisNetwork, self.background_network)
        image = network(self._latents(batch, ws, network.num_ws), self.noise)
        side = self.resolution
        if image.shape[-1] > side and torch.compiler.is_exporting():
            return shrunk(image, side)
        return F.interpolate(
            image, (side, side), mode="bilinear", align_corners=False, antialias=True
        )

    def _latents(self, batch: int, ws: Tensor | None, count: int) -> Tensor:
        """`[batch count w_dim]`: the first of ws, the last one repeated where there are fewer; of
        one for the raw image the last.
        """
        if self.latent != "teacher_w":
            one = style_latent(self.latent, self.w_mean, batch, None)
            return one[:, None].expand(-1, count, -1)
        last = style_latent(self.latent, self.w_mean, batch, ws)[:, None]
        if count == 1:
            return last
        known = cast(Tensor, ws)[:, :count]
        return torch.cat([known, last.expand(-1, count - known.shape[1], -1)], 1)
