"""Triplane × camera → image: the volume renderer of EG3D (sec. 4.1-4.2).

Rays → ray samples and compositing (a `RayMarcher`) → background → super-resolution.
"""

import copy
import dataclasses
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from teachers.kernels import fast_kernels

from .camera import Camera
from .density import DensityActivation, density_activation_of
from .marching import RayColors, RayMarcher, RaySampling, march_two_passes
from .proposals import march_proposals
from .rendering import RayJitter, Rendering
from .triplane import Triplane
from .two_layers import TwoLayers

MARCHERS: dict[str, RayMarcher] = {
    "reused": march_two_passes,
    "proposal": cast(RayMarcher, march_proposals),
}
"""The marchers that a teacher's configuration may name (`RaySampling.first_pass`)."""


class Renderer(nn.Module):
    """Triplane × camera → rendering: all that sampling, distillation and evaluation need.

    `TriplaneRenderer` is the one of this package; a fused or SDF renderer implements `forward` and
    `ray_samples`.

    Attributes:
        resolution: side of the volume rendering, which has resolution² rays.
    """

    resolution: int

    @property
    def ray_samples(self) -> tuple[int, int]:
        """How many numbers of jitter a ray takes, of the first and of the second pass."""
        raise NotImplementedError

    def forward(
        self,
        triplane: Triplane,
        camera: Camera,
        ws: Float[Tensor, "batch layer w_dim"] | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        """One image per row of triplane and camera (see `Teacher.render`)."""
        raise NotImplementedError


class TriplaneField:
    """A decoder over a triplane."""

    def __init__(self, triplane: Triplane, decoder: nn.Module) -> None:
        self.triplane, self.decoder = triplane, decoder

    @property
    def density_activation(self) -> DensityActivation:
        """The decoder's."""
        return density_activation_of(self.decoder)

    def __call__(
        self, points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits at world points."""
        shaded = self._shaded(points, has_colors=True)
        return self.decoder(self.triplane.sample(points), points) if shaded is None else shaded

    def _shaded(self, points: Tensor, *, has_colors: bool) -> tuple[Tensor, Tensor] | None:
        """What kernels compute, where they are chosen and cover it."""
        layers = self.two_layers() if fast_kernels() else None
        if layers is None:
            return None
        from .fast import shade  # numba is loaded where it is used

        if not shade.covers(self.triplane, layers, points):
            return None
        return shade.shade(self.triplane, layers, points, has_colors=has_colors)

    def two_layers(self) -> TwoLayers | None:
        """The decoder as kernels take it; None where they don't cover it."""
        describe = getattr(self.decoder, "two_layers", None)
        return None if describe is None else describe()

    def density_logit(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Density logits alone, for a pass that needs no colours."""
        shaded = self._shaded(points, has_colors=False)
        if shaded is not None:
            return shaded[1]
        return cast(Tensor, self.decoder.density_logit(self.triplane.sample(points), points))  # type: ignore[operator]


class TriplaneRenderer(Renderer):
    """A `Renderer` of decoder, ray sampling, background and super-resolution.

    A student starts from a copy of its teacher's.

    Args:
        decoder: (plane features, points) → colour channels in [0, 1] and density logits; its
            `density_activation`, if it has one, takes the logits to densities.
        sampling: how rays are sampled.
        resolution: side of the volume rendering.
        background: colour behind the head in [0, 1]; None adds nothing (black, as the official code
            without white_back).
        super_resolution: (feature image, latent) → image; None: rays are cast at the final
            resolution.
    """

    def __init__(
        self,
        *,
        decoder: nn.Module,
        sampling: RaySampling,
        resolution: int,
        background: float | None = None,
        super_resolution: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.decoder = decoder
        self.super_resolution = super_resolution
        self.sampling = sampling
        self.resolution = resolution
        self.background = background
        marcher_of(sampling)

    @property
    def ray_samples(self) -> tuple[int, int]:
        """See `Renderer`; a marcher whose rays take other numbers has a method of that name."""
        own = getattr(marcher_of(self.sampling), "ray_samples", None)
        if own is not None:
            found: tuple[int, int] = own(self.sampling)
            return found
        return self.sampling.depth_samples, self.sampling.importance_samples

    def changed(
        self,
        *,
        resolution: int | None = None,
        super_resolution: bool = True,
        decoder: nn.Module | None = None,
        **sampling: object,
    ) -> "TriplaneRenderer":
        """A renderer with the same networks (shared, not copied) and other settings.

        Args:
            resolution: side of the volume rendering; None: as it is.
            super_resolution: False leaves it out.
            decoder: another one.
            sampling: fields of `RaySampling`.

        Raises:
            ValueError: another resolution for a super-resolution that is kept.
        """
        changed = copy.copy(self)
        changed._modules = dict(self._modules)
        changed.sampling = dataclasses.replace(self.sampling, **sampling)  # type: ignore[arg-type]
        marcher_of(changed.sampling)
        if not super_resolution:
            changed.super_resolution = None
        if decoder is not None:
            changed.decoder = decoder
        if resolution is not None and resolution != self.resolution:
            if changed.super_resolution is not None:
                raise ValueError(
                    f"this teacher's super-resolution takes {self.resolution}² renderings, not"
                    f" {resolution}²: leave the view's resolution alone"
                )
            changed.resolution = resolution
        return changed

    def forward(
        self,
        triplane: Triplane,
        camera: Camera,
        ws: Float[Tensor, "batch layer w_dim"] | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        """One image per row of triplane and camera (see `Teacher.render`)."""
        self._require_pairs(triplane, camera)
        feature_image, depth, opacity = self._volume_render(triplane, camera, jitter)
        image_raw = image = feature_image[:, :3]
        if self.super_resolution is not None:
            image = self.super_resolution(feature_image, ws)
            if self.sampling.compat == "official":
                image_raw = self.super_resolution.image_raw_as_published(feature_image, ws)  # type: ignore[operator]
        return Rendering(image, image_raw, feature_image, depth, opacity)

    @staticmethod
    def _require_pairs(triplane: Triplane, camera: Camera) -> None:
        if len(triplane) != len(camera):
            raise ValueError(
                f"{len(triplane)} triplanes and {len(camera)} cameras came, one of each is drawn"
                " per image: use triplane.repeat_interleave(views) or camera.expand(batch)"
            )

    def _volume_render(
        self, triplane: Triplane, camera: Camera, jitter: RayJitter | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Feature image, depth and opacity; `points_at_once` limits how many images at once."""
        if jitter is not None and jitter.coarse.shape[:2] != (len(camera), self.resolution**2):
            raise ValueError(
                f"jitter of {list(jitter.coarse.shape[:2])} images and rays came for"
                f" {[len(camera), self.resolution**2]}"
            )
        points = self.resolution**2 * self.sampling.samples_at_once
        group = max(1, self.sampling.points_at_once(triplane.planes.device) // points)
        if self.sampling.compat == "official":  # whose images depend on the whole batch
            group = len(camera)
        images = []
        for number, planes in enumerate(triplane.planes.split(group)):
            rows = slice(number * group, (number + 1) * group)
            part = triplane.with_planes(planes)
            images.append(
                self._composite(
                    self._cast(part, camera[rows], None if jitter is None else jitter.images(rows))
                )
            )
        feature_image, depth, opacity = (torch.cat(parts) for parts in zip(*images, strict=True))
        return feature_image, depth, opacity

    def _cast(self, triplane: Triplane, camera: Camera, jitter: RayJitter | None) -> RayColors:
        marcher = marcher_of(self.sampling)
        return marcher(self.field(triplane), camera, self.resolution, self.sampling, jitter)

    def _composite(self, colors: RayColors) -> tuple[Tensor, ...]:
        """Images of the rays, in front of the background."""
        # Features are premultiplied by α: in front of a background b they are f + (1 - α) b.
        features = colors.features
        if self.background is not None:
            features = features + self.background * (1 - colors.opacity[..., None])
        return tuple(
            rearrange(
                channels,
                "batch (height width) channel -> batch channel height width",
                height=self.resolution,
            )
            for channels in (
                self._pictured(features),
                colors.depth[..., None],
                colors.opacity[..., None],
            )
        )

    def _pictured(self, features: Tensor) -> Tensor:
        """Colours of the decoder, in [0, 1] → features of an image, whose RGB is in [-1, 1]."""
        return features * 2 - 1

    def field(self, triplane: Triplane) -> TriplaneField:
        """The decoder over a triplane: world points → colours and density logits."""
        return TriplaneField(triplane, self.decoder)

    def point_colors(
        self, features: Float[Tensor, "batch point feature"]
    ) -> Float[Tensor, "batch point 3"]:
        """The sRGB, nominally in [0, 1], with which a point of these features appears in
        `image_raw`.
        """
        return features[..., :3]


def marcher_of(sampling: RaySampling) -> RayMarcher:
    """The marcher of `RaySampling.first_pass`; ValueError for a name that isn't in `MARCHERS`."""
    chosen = sampling.first_pass
    if not isinstance(chosen, str):
        return chosen
    if chosen not in MARCHERS:
        raise ValueError(
            f"first_pass is {chosen!r}: use {' or '.join(MARCHERS)}, or give a ray marcher"
        )
    return MARCHERS[chosen]
