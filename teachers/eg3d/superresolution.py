"""Super-resolution (EG3D sec. 4.2): two StyleGAN2 blocks on the feature image."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.stylegan import fast
from teachers.stylegan.synthesis import SynthesisBlock


@dataclass(frozen=True)
class Variant:
    """One of the published modules.

    Attributes:
        image_resolution: side of its output.
        native_resolution: side of the feature image that its first block takes.
        first_up: whether the first block doubles the size.
        channels: outputs of the two blocks.
        resizes_larger: False: an input larger than native is refused, as in the published 4X
            module.
    """

    image_resolution: int
    native_resolution: int
    first_up: bool
    channels: tuple[int, int]
    resizes_larger: bool = True


VARIANTS = {
    "8XDC": Variant(512, 128, True, (256, 128)),
    "8X": Variant(512, 128, True, (128, 64)),
    "4X": Variant(256, 128, False, (128, 64), resizes_larger=False),
    "2X": Variant(128, 64, False, (128, 64)),
}
"""By the suffix of their published class names (SuperresolutionHybrid8XDC, …)."""


class SuperResolution(nn.Module):
    """Feature image and one latent → image.

    Args:
        variant: a key of `VARIANTS`.
        feature_channels: channels of the feature image; its first three are RGB.
        w_dim: size of the latent.
        latent: its latent: "teacher_w" (the last of ws), "w_mean" (the average w, kept in
            this module), or "constant_one" (LP3D supp. A2: a student has no w).
        antialias: filter when the feature image is shrunk.
        has_noise: keep the published modules' unused noise images.
    """

    w_mean: Tensor

    def __init__(
        self,
        *,
        variant: str,
        feature_channels: int = 32,
        w_dim: int = 512,
        latent: str = "teacher_w",
        antialias: bool = True,
        conv_clamp: float | None = 256.0,
        has_noise: bool = True,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(
                f"super-resolution {variant!r} is not known: use one of {', '.join(VARIANTS)}, or"
                " 'none'"
            )
        if latent not in ("teacher_w", "w_mean", "constant_one"):
            raise ValueError(f"sr_latent is {latent!r}: use teacher_w, w_mean or constant_one")
        self.variant = VARIANTS[variant]
        self.latent = latent
        self.antialias = antialias
        first, second = self.variant.channels
        native, up = self.variant.native_resolution, self.variant.first_up
        middle = native * 2 if up else native
        self.block0 = SynthesisBlock(
            feature_channels,
            first,
            w_dim,
            middle,
            3,
            up=up,
            conv_clamp=conv_clamp,
            has_noise=has_noise,
        )
        self.block1 = SynthesisBlock(
            first, second, w_dim, middle * 2, 3, conv_clamp=conv_clamp, has_noise=has_noise
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))

    def forward(
        self,
        feature_image: Float[Tensor, "batch feature height width"],
        ws: Float[Tensor, "batch layer w_dim"] | None,
        raw: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """The final image.

        Args:
            feature_image: of the volume rendering.
            ws: only needed (and only read) for the latent "teacher_w".
            raw: the raw image; None: the first three features.
        """
        latents = self._latent(len(feature_image), ws)[:, None].expand(-1, 3, -1)
        x = self._resize(feature_image)
        rgb = x[:, :3] if raw is None else self._resize(raw)
        if fast.applies(x):
            from teachers.stylegan.fast.synthesis import enlarge  # numba takes a second to import

            return enlarge((self.block0, self.block1), x, rgb, latents)
        x, image = self.block0(x, rgb, latents)
        return self.block1(x, image, latents)[1]

    def image_raw_as_published(
        self,
        feature_image: Float[Tensor, "batch feature height width"],
        ws: Float[Tensor, "batch layer w_dim"] | None,
        raw: Float[Tensor, "batch 3 height width"] | None = None,
    ) -> Float[Tensor, "batch 3 height width"]:
        """The raw image that the official code returns.

        Where nothing was resized and the first block keeps the size, that code adds the block's
        image to the raw image in place. Only for comparison (`RaySampling.compat`).
        """
        rgb = feature_image[:, :3] if raw is None else raw
        if self.block0.up or feature_image.shape[-1] != self.variant.native_resolution:
            return rgb
        return self.block0(
            feature_image, rgb, self._latent(len(feature_image), ws)[:, None].expand(-1, 3, -1)
        )[1]

    def _latent(self, batch: int, ws: Tensor | None) -> Float[Tensor, "batch w_dim"]:
        return style_latent(self.latent, self.w_mean, batch, ws)

    def _resize(self, x: Tensor) -> Tensor:
        native = self.variant.native_resolution
        side = x.shape[-1]
        if side > native and not self.variant.resizes_larger:
            raise ValueError(
                f"this super-resolution takes feature images of at most {native}², got {side}²:"
                " lower render_resolution"
            )
        if side == native:
            return x
        if self.antialias and side > native and torch.compiler.is_exporting():
            return shrunk(x, native)
        return F.interpolate(
            x, size=(native, native), mode="bilinear", align_corners=False, antialias=self.antialias
        )


def style_latent(
    latent: str,
    w_mean: Float[Tensor, " w_dim"],
    batch: int,
    ws: Float[Tensor, "batch layer w_dim"] | None,
) -> Float[Tensor, "batch w_dim"]:
    """The latent of that name (see `SuperResolution`) for every image.

    Raises:
        ValueError: "teacher_w" without ws.
    """
    if latent == "constant_one":
        return torch.ones_like(w_mean).expand(batch, -1)
    if latent == "w_mean":
        return w_mean.expand(batch, -1)
    if ws is None:
        raise ValueError(
            "this super-resolution takes the teacher's w (sr_latent=teacher_w): give render() the"
            " ws"
        )
    return ws[:, -1]


def shrunk(
    x: Float[Tensor, "batch channel height width"], side: int
) -> Float[Tensor, "batch channel side side"]:
    """`F.interpolate` of a square with `antialias=True` as two matrix products: OpenVINO leaves the
    filter out, silently.
    """
    given = x.shape[-1]
    scale = given / side
    centres = (torch.arange(side, device=x.device, dtype=x.dtype)[:, None] + 0.5) * scale
    places = torch.arange(given, device=x.device, dtype=x.dtype) + 0.5
    weights = (1 - ((places - centres) / scale).abs()).clamp(min=0)
    weights = weights / weights.sum(1, keepdim=True)
    return weights @ x @ weights.mT
