"""The generator's networks, with the parameter names of published checkpoints."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.camera import Camera
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.triplane import Triplane
from teachers.stylegan.mapping import MappingNetwork
from teachers.stylegan.synthesis import SynthesisNetwork

from .configuration import EG3DConfiguration
from .decoder import Decoder, EllipsoidPrior
from .superresolution import SuperResolution


class Backbone(nn.Module):
    """Mapping and synthesis: z → ws → an image whose channels are the three planes."""

    def __init__(self, config: EG3DConfiguration) -> None:
        super().__init__()
        self.synthesis = SynthesisNetwork(
            w_dim=config.w_dim,
            resolution=config.plane_resolution,
            image_channels=3 * config.stored_channels,
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            conv_clamp=config.conv_clamp,
            has_noise=config.has_noise,
        )
        self.mapping = MappingNetwork(
            z_dim=config.z_dim,
            label_dim=config.label_dim,
            w_dim=config.w_dim,
            num_layers=config.mapping_layers,
        )


class Generator(nn.Module):
    """EG3D's generator: trainable and differentiable; `EG3DTeacher` freezes it.

    Attributes:
        renderer: renders its planes; shares `decoder` and `superresolution`.
        convolution_dtype: of the synthesis network (bfloat16 halves the time where the machine has
            it).
    """

    def __init__(self, config: EG3DConfiguration) -> None:
        super().__init__()
        self.config = config
        self.convolution_dtype = torch.float32
        self.backbone = Backbone(config)
        self.renderer = self._build_renderer()

    def _build_renderer(self) -> TriplaneRenderer:
        decoder, superresolution = build_decoder(self.config), build_superresolution(self.config)
        return build_renderer(self.config, decoder, superresolution)

    def map_latents(
        self,
        z: Float[Tensor, "batch z_dim"],
        camera: Camera | None = None,
        *,
        truncation: float = 1.0,
    ) -> Float[Tensor, "batch layer w_dim"]:
        """Latents and the conditioning camera → ws, one row per layer."""
        w = self.backbone.mapping(z, self.condition(camera, len(z)))
        if truncation != 1:
            # The truncation trick: w̄ + ψ (w - w̄).
            w = self.backbone.mapping.w_avg.lerp(w, truncation)
        return w[:, None].expand(-1, self.backbone.synthesis.num_ws, -1)

    def condition(
        self, camera: Camera | None, batch: int
    ) -> Float[Tensor, "batch label_dim"] | None:
        """The label that the mapping network sees; without a camera, that of a frontal view.

        The frontal camera looks at the pivot.
        """
        if not self.config.label_dim:
            return None
        w_avg = self.backbone.mapping.w_avg
        if camera is None:
            zero = w_avg.new_zeros(1)
            camera = Camera.orbit(
                zero,
                zero,
                radius=self.config.camera_radius,
                pivot=self.config.camera_pivot,
                focal=self.config.focal,
            )
        label = camera.label().to(w_avg).expand(batch, -1) * self.config.label_scale
        return torch.zeros_like(label) if self.config.condition_is_zero else label

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """Planes from ws, one triplane per row."""
        image = self.backbone.synthesis(ws, self.config.noise, self.convolution_dtype).float()
        planes = image.unflatten(1, (3, self.config.stored_channels))
        if self.config.plane_blur:
            planes = blurred(planes, self.config.plane_blur)
        return Triplane(planes, self.config.plane_axes, self.config.box_size)


def blurred(
    planes: Float[Tensor, "batch 3 channel height width"], deviations: tuple[float, ...]
) -> Float[Tensor, "batch 3 channel height width"]:
    """Each plane behind a Gaussian filter of its own, `deviations` in texels."""
    from kornia.filters import gaussian_blur2d  # loaded where it is used

    def one(plane: Tensor, deviation: float) -> Tensor:
        if not deviation:
            return plane
        size = 2 * math.ceil(3 * deviation) + 1
        return gaussian_blur2d(plane, size, (deviation, deviation), border_type="replicate")

    pairs = zip(planes.unbind(1), deviations, strict=True)
    return torch.stack([one(plane, deviation) for plane, deviation in pairs], 1)


def build_decoder(config: EG3DConfiguration) -> Decoder:
    """The decoder of a configuration."""
    return Decoder(**decoder_settings(config))


def decoder_settings(config: EG3DConfiguration) -> dict[str, Any]:
    """Arguments of a `Decoder`."""
    return {
        "plane_channels": config.plane_channels,
        "hidden_channels": config.hidden_channels,
        "feature_channels": config.feature_channels,
        "learning_rate": config.decoder_learning_rate,
        "prior": EllipsoidPrior(config.prior_ellipsoids, config.solid_ellipsoids)
        if config.prior_ellipsoids
        else None,
        "logit_gain": config.logit_gain,
        "density_activation": ShiftedSoftplus(config.density_gain),
    }


def build_superresolution(config: EG3DConfiguration) -> SuperResolution | None:
    """The super-resolution of a configuration, if it has one."""
    if config.super_resolution == "none":
        return None
    return SuperResolution(
        variant=config.super_resolution,
        feature_channels=config.feature_channels,
        w_dim=config.w_dim,
        latent=config.sr_latent,
        antialias=config.sr_antialias,
        conv_clamp=config.sr_conv_clamp,
        has_noise=config.has_noise,
    )


def build_renderer(
    config: EG3DConfiguration, decoder: nn.Module, superresolution: nn.Module | None
) -> TriplaneRenderer:
    """The renderer of a configuration around given networks."""
    return TriplaneRenderer(
        decoder=decoder, super_resolution=superresolution, **renderer_settings(config)
    )


def renderer_settings(config: EG3DConfiguration) -> dict[str, Any]:
    """Arguments of a `TriplaneRenderer` that aren't networks."""
    return {
        "sampling": RaySampling(
            near=config.near,
            far=config.far,
            box_size=config.box_size,
            depth_samples=config.depth_samples,
            importance_samples=config.importance_samples,
            in_disparity=config.in_disparity,
            first_pass=config.first_pass,
        ),
        "resolution": config.render_resolution,
        "background": None if config.background == "black" else 1.0,
    }


def eg3d_renderer(configuration: dict[str, object]) -> TriplaneRenderer:
    """An initialised renderer, from `EG3DConfiguration.to_dict()`; a student's recipe names it."""
    config = EG3DConfiguration.from_dict(configuration)
    return build_renderer(config, build_decoder(config), build_superresolution(config))
