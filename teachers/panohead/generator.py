"""PanoHead's networks, with the parameter names of published checkpoints but for a few prefixes."""

from jaxtyping import Float
from torch import Tensor

from teachers.eg3d.generator import (
    Generator,
    build_superresolution,
    decoder_settings,
    renderer_settings,
)
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane
from teachers.stylegan.linear import EqualizedLinear
from teachers.stylegan.mapping import MappingNetwork
from teachers.stylegan.modulated import ToRGB
from teachers.stylegan.synthesis import SynthesisNetwork

from .configuration import PanoHeadConfiguration
from .decoder import PanoHeadDecoder
from .renderer import PanoHeadRenderer

SHIFT = 3
"""Numbers of a camera's shift, and the width of the network that makes them."""


class CameraShift(MappingNetwork):
    """z and camera label → how far the camera moves along x, y, z, world units.

    A mapping network of two layers with a linear last one, at the full learning rate.
    """

    def __init__(self, *, z_dim: int, label_dim: int) -> None:
        super().__init__(
            z_dim=z_dim, label_dim=label_dim, w_dim=SHIFT, num_layers=2, learning_rate=1.0
        )
        self.fc1 = EqualizedLinear(SHIFT, SHIFT)


class PanoHeadGenerator(Generator):
    """PanoHead's generator; `EG3DTeacher` freezes it.

    Attributes:
        camera_shift: moves cameras in `shifted_camera`; None where the checkpoint has none.
    """

    config: PanoHeadConfiguration

    def __init__(self, config: PanoHeadConfiguration) -> None:
        super().__init__(config)
        self.camera_shift = (
            CameraShift(z_dim=config.z_dim, label_dim=config.label_dim)
            if config.shifts_camera
            else None
        )

    def _build_renderer(self) -> PanoHeadRenderer:
        return build_panohead_renderer(self.config)

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """Tri-grids from ws, one per row."""
        planes = super().synthesize(ws).planes
        config = self.config
        return Triplane(planes, config.plane_axes, config.box_size, config.plane_depth)

    def shifted_camera(
        self, z: Float[Tensor, "batch z_dim"], camera: Camera, *, truncation: float = 1.0
    ) -> Camera:
        """The camera that the whole network renders from when it is given this one.

        In training a camera moves by what z and its label say (sec. 3.4: crops of the back of a
        head are badly aligned). Who samples with a camera of her own doesn't want that: only
        `trilift check` does, to repeat the official network's full call.

        Raises:
            ValueError: the checkpoint has no such network.
        """
        if self.camera_shift is None:
            raise ValueError("this PanoHead generator has no network that shifts cameras")
        shift = self.camera_shift(z, self.condition(camera, len(z)))
        shift = self.camera_shift.w_avg.lerp(shift, truncation)
        moved = camera.cam_to_world.clone()
        moved[:, :3, 3] += shift
        return Camera(moved, camera.intrinsics)


def build_panohead_renderer(config: PanoHeadConfiguration) -> PanoHeadRenderer:
    """The renderer of a configuration, initialised."""
    decoder = PanoHeadDecoder(activation=config.color_activation, **decoder_settings(config))
    background = (
        SynthesisNetwork(
            w_dim=config.w_dim,
            resolution=config.background_resolution,
            image_channels=config.feature_channels,
            channel_base=config.channel_base // 2,
            channel_max=config.channel_max,
            conv_clamp=config.conv_clamp,
            has_noise=config.has_noise,
        )
        if config.background_resolution
        else None
    )
    to_rgb = ToRGB(config.feature_channels, 3, config.w_dim) if config.has_raw_rgb else None
    return PanoHeadRenderer(
        crop=config.box_size / 2 - config.crop_margin,
        has_signed_features=config.color_activation != "sigmoid",
        background_network=background,
        to_rgb=to_rgb,
        latent=config.sr_latent,
        w_dim=config.w_dim,
        noise=config.noise,
        decoder=decoder,
        super_resolution=build_superresolution(config),
        **renderer_settings(config),
    )


def panohead_renderer(configuration: dict[str, object]) -> PanoHeadRenderer:
    """An initialised renderer, from `PanoHeadConfiguration.to_dict()`; a student's recipe names
    it.
    """
    return build_panohead_renderer(PanoHeadConfiguration.from_dict(configuration))
