"""The numbers that a WYSIWYG generator is built from: config.json of a teacher folder."""

from dataclasses import dataclass
from typing import Any, ClassVar

from teachers.eg3d.configuration import EG3DConfiguration
from teachers.rendering.learned_sampling import LearnedSampling
from teachers.rendering.proposal_network import UP


@dataclass(frozen=True)
class WysiwygConfiguration(EG3DConfiguration):
    """EG3D's backbone, camera and image numbers, and those of the signed distance and its sampler.

    `depth_samples` and `importance_samples` are of the two uniform and importance passes that
    render before the sampler is trained. The paper's sizes: planes of 512², `channel_base` 65,536,
    `hidden_channels` 128, 192 probe samples, `proposal_width` 256.

    Attributes:
        geometry_channels: from the distance's network to the colour's.
        color_hidden: of the colour's network.
        position_frequencies, direction_frequencies: of the positional codes (NeRF eq. 4).
        product_gain: see `Triplane`; small ones let a backbone whose planes were averaged (EG3D's)
            begin with what it knows.
        feature_gain: of a point's features, before the distance's network.
        sphere_radius: zero set of the distance of an untrained network, world units, where there
            are no `prior_ellipsoids` for it to start from.
        learned_sampling: renders with the proposal network; False: two passes as in EG3D.
        probe_samples, samples, hard_samples, hard_share, mass: see `LearnedSampling`.
        proposal_width: channels of the proposal network.
    """

    kind: ClassVar[str] = "wysiwyg"
    renderer_function: ClassVar[str] = "teachers.wysiwyg.generator.wysiwyg_renderer"
    unread: ClassVar[dict[str, Any]] = {
        "density_gain": 1.0,
        "logit_gain": 1.0,
        "decoder_learning_rate": 1.0,
        "feature_channels": 3,
    }

    product_gain: float = 0.0
    feature_gain: float = 1.0
    geometry_channels: int = 64
    color_hidden: int = 64
    position_frequencies: int = 6
    direction_frequencies: int = 2
    sphere_radius: float = 0.25
    learned_sampling: bool = True
    probe_samples: int = 192
    samples: int = 16
    hard_samples: int = 32
    hard_share: float = 0.1
    mass: float = 0.98
    proposal_width: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.super_resolution != "none":
            raise ValueError(
                f"super_resolution is {self.super_resolution!r}: WYSIWYG renders every pixel, use"
                " none"
            )
        _ = self.counts

    @property
    def counts(self) -> LearnedSampling:
        """How many samples the learned sampler takes."""
        return LearnedSampling(
            self.probe_samples, self.samples, self.hard_samples, self.hard_share, self.mass
        )

    @property
    def pixels_together(self) -> int:
        """See `EG3DConfiguration`."""
        return UP if self.learned_sampling else super().pixels_together

    @property
    def passport_entries(self) -> dict[str, Any]:
        """See `EG3DConfiguration`."""
        return {"aggregation": "product", "product_gain": self.product_gain}

    @property
    def options(self) -> dict[str, Any]:
        """See `EG3DConfiguration`."""
        names = (
            *("geometry_channels", "color_hidden", "position_frequencies"),
            *("direction_frequencies", "learned_sampling", "probe_samples", "samples"),
            *("hard_samples", "hard_share", "mass", "proposal_width"),
        )
        younger = {"feature_gain": 1.0, "sphere_radius": 0.25}
        # Written only where they aren't the default: older passports lack them.
        changed = {
            name: getattr(self, name)
            for name, default in younger.items()
            if getattr(self, name) != default
        }
        return {**super().options, **{name: getattr(self, name) for name in names}, **changed}
