"""The numbers that a PanoHead generator is built from: config.json of a teacher folder."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from teachers.eg3d.configuration import EG3DConfiguration

COLOR_ACTIVATIONS = ("none", "sigmoid", "lrelu")


@dataclass(frozen=True)
class PanoHeadConfiguration(EG3DConfiguration):
    """EG3D's numbers and those that it doesn't have.

    Attributes:
        plane_depth: planes in a stack, at least 2 (sec. 3.2: 3).
        color_activation: of the decoder's colours: "none" leaves them as they are, "sigmoid" is
            EG3D's, "lrelu" a leaky ReLU of slope .2 and gain √2.
        crop_margin: nothing is rendered nearer than this to the box's left, right, front and back
            faces, world units.
        has_raw_rgb: the raw image is a modulated linear map of the features (else their first three
            channels).
        background_resolution: side of the background network's feature image; 0: no such network.
        shifts_camera: holds the network that moves a camera by what latent and label say.
    """

    kind: ClassVar[str] = "panohead"
    renderer_function: ClassVar[str] = "teachers.panohead.generator.panohead_renderer"

    plane_depth: int = 3
    color_activation: Literal["none", "sigmoid", "lrelu"] = "none"
    crop_margin: float = 0.1
    has_raw_rgb: bool = True
    background_resolution: int = 64
    shifts_camera: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.color_activation not in COLOR_ACTIVATIONS:
            raise ValueError(
                f"color_activation is {self.color_activation!r}: use {', '.join(COLOR_ACTIVATIONS)}"
            )
        if self.plane_depth < 2:
            raise ValueError(
                f"plane_depth is {self.plane_depth}: a tri-grid has stacks of at least 2 planes"
            )
        if self.super_resolution == "none":
            raise ValueError(
                "a PanoHead generator has a super-resolution: super_resolution is none"
            )

    @property
    def stored_channels(self) -> int:
        """See `EG3DConfiguration`: each feature has a channel for every plane of the stack."""
        return self.plane_channels * self.plane_depth

    @property
    def passport_entries(self) -> dict[str, Any]:
        """See `EG3DConfiguration`."""
        return {"plane_depth": self.plane_depth, "full_circle": True}

    @property
    def options(self) -> dict[str, Any]:
        """See `EG3DConfiguration`."""
        return {
            **super().options,
            "color_activation": self.color_activation,
            "crop_margin": self.crop_margin,
            "has_raw_rgb": self.has_raw_rgb,
            "background_resolution": self.background_resolution,
        }
