"""WYSIWYG's networks: EG3D's backbone, a block for each plane, a signed distance."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.eg3d.generator import Generator, renderer_settings
from teachers.rendering.proposal_network import ProposalNetwork
from teachers.rendering.triplane import Triplane
from teachers.stylegan.synthesis import SynthesisBlock

from .configuration import WysiwygConfiguration
from .decoder import DistanceDecoder
from .renderer import WysiwygRenderer


class WysiwygGenerator(Generator):
    """WYSIWYG's generator; `EG3DTeacher` freezes it.

    Attributes:
        plane_blocks: one synthesis block for each plane, behind the backbone (sec. 3): what the
            planes share ends before them.
    """

    config: WysiwygConfiguration

    def __init__(self, config: WysiwygConfiguration) -> None:
        super().__init__(config)
        channels = config.plane_channels
        self.plane_blocks = nn.ModuleList(
            SynthesisBlock(
                channels,
                channels,
                config.w_dim,
                config.plane_resolution,
                channels,
                up=False,
                conv_clamp=config.conv_clamp,
                has_noise=config.has_noise,
            )
            for _ in config.plane_axes
        )
        for block in self.plane_blocks:  # they begin with the backbone's planes as they are
            nn.init.zeros_(block.torgb.weight)  # type: ignore[union-attr,arg-type]

    def _build_renderer(self) -> WysiwygRenderer:
        return build_wysiwyg_renderer(self.config)

    def synthesize(self, ws: Float[Tensor, "batch layer w_dim"]) -> Triplane:
        """Planes from ws, one triplane per row; the planes' blocks take the last latent."""
        shared = super().synthesize(ws)
        latents = ws[:, -1:].expand(-1, 3, -1)
        planes = [
            block(plane, plane, latents, self.config.noise)[1]
            for block, plane in zip(self.plane_blocks, shared.planes.unbind(1), strict=True)
        ]
        return Triplane(
            torch.stack(planes, 1),
            shared.axes,
            shared.box_size,
            aggregation="product",
            product_gain=self.config.product_gain,
        )


def build_wysiwyg_renderer(config: WysiwygConfiguration) -> WysiwygRenderer:
    """The renderer of a configuration, initialised."""
    return WysiwygRenderer(
        proposals=ProposalNetwork(bins=config.probe_samples - 1, width=config.proposal_width)
        if config.learned_sampling
        else None,
        counts=config.counts,
        decoder=DistanceDecoder(
            plane_channels=config.plane_channels,
            box_size=config.box_size,
            hidden=config.hidden_channels,
            geometry=config.geometry_channels,
            color_hidden=config.color_hidden,
            position_frequencies=config.position_frequencies,
            direction_frequencies=config.direction_frequencies,
            radius=config.sphere_radius,
            prior=config.prior_ellipsoids,
            solid=config.solid_ellipsoids,
            feature_gain=config.feature_gain,
        ),
        **renderer_settings(config),
    )


def wysiwyg_renderer(configuration: dict[str, object]) -> WysiwygRenderer:
    """An initialised renderer, from `WysiwygConfiguration.to_dict()`; a student's recipe names
    it.
    """
    return build_wysiwyg_renderer(WysiwygConfiguration.from_dict(configuration))
