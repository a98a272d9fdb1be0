"""The numbers that an EG3D generator is built from: config.json of a teacher folder."""

import dataclasses
from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar, Literal, TypeVar

from teachers.plain_values import misfit
from teachers.rendering.triplane import EG3D_AXES

AnyConfiguration = TypeVar("AnyConfiguration", bound="EG3DConfiguration")

SIZES = (
    *("z_dim", "w_dim", "plane_resolution", "plane_channels", "channel_base", "channel_max"),
    *("hidden_channels", "feature_channels", "depth_samples"),
    *("render_resolution", "image_resolution"),
)
"""Fields of which nothing can be built where they are below 1."""

COUNTS = ("label_dim", "mapping_layers", "importance_samples")
"""Those that may be 0."""

AXES = tuple(first + second for first, second in permutations("xyz", 2))
"""The coordinates along a plane's columns and rows."""


@dataclass(frozen=True)
class EG3DConfiguration:
    """Defaults are the published FFHQ 512² generator's.

    Attributes:
        kind: of teacher (`Passport.kind`, `teachers.kinds`).
        renderer_function: what builds the renderer from `to_dict`, by its import path; student
            files name it.
        unread: numbers that no network of this kind reads, by name, and what they amount to.
        z_dim, w_dim, mapping_layers: of the mapping network.
        label_dim: 25, or 0 without camera conditioning.
        label_scale: factor on the label; 0 blanks it.
        condition_is_zero: the mapping always sees a zero label (cars).
        plane_resolution, plane_channels, plane_axes, box_size: of the triplane.
        channel_base, channel_max: widths of the synthesis network.
        hidden_channels, feature_channels, decoder_learning_rate: of the decoder.
        near, far: ray limits, None for both: from the box.
        depth_samples, importance_samples, in_disparity: of the rays.
        render_resolution, image_resolution: of the raw and the final image.
        background: "black", "white", or "matte" (white behind the matte; the discriminator sees the
            matte).
        super_resolution: "none", "2X", "4X", "8X", "8XDC".
        sr_latent: which latent the super-resolution is given.
        sr_antialias: filter when it has to shrink its input.
        has_noise: whether the layers carry noise images (published weights do).
        noise: "const" adds them, "none" doesn't.
        conv_clamp, sr_conv_clamp: limit on the features of the synthesis network and of the
            super-resolution; published generators have one where they were trained in half
            precision.
        focal, camera_radius, camera_pivot: the training cameras.
        plane_blur: for each plane the standard deviation of a Gaussian filter behind the backbone,
            in texels; `()`: no filter. Beyond EG3D: two planes that draw a face as lines that cross
            leave bars through it, unless they are too smooth for lines.
        density_gain, logit_gain, prior_ellipsoids, solid_ellipsoids, first_pass: options beyond
            EG3D (see `RaySampling`, `Decoder`, `EllipsoidPrior`), off by default.
    """

    kind: ClassVar[str] = "eg3d"
    renderer_function: ClassVar[str] = "teachers.eg3d.generator.eg3d_renderer"
    unread: ClassVar[dict[str, Any]] = {}

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    label_dim: int = 25
    label_scale: float = 1.0
    condition_is_zero: bool = False
    plane_resolution: int = 256
    plane_channels: int = 32
    plane_axes: tuple[str, str, str] = EG3D_AXES
    box_size: float = 1.0
    channel_base: int = 32768
    channel_max: int = 512
    hidden_channels: int = 64
    feature_channels: int = 32
    decoder_learning_rate: float = 1.0
    near: float | None = 2.25
    far: float | None = 3.3
    depth_samples: int = 48
    importance_samples: int = 48
    in_disparity: bool = False
    render_resolution: int = 128
    image_resolution: int = 512
    background: Literal["black", "white", "matte"] = "black"
    super_resolution: str = "8XDC"
    sr_latent: Literal["teacher_w", "w_mean", "constant_one", "none"] = "teacher_w"
    sr_antialias: bool = True
    has_noise: bool = True
    noise: Literal["none", "const"] = "const"
    conv_clamp: float | None = None
    sr_conv_clamp: float | None = 256.0
    focal: float = 4.2647
    camera_radius: float = 2.7
    camera_pivot: tuple[float, float, float] = (0.0, 0.0, 0.2)
    density_gain: float = 1.0
    logit_gain: float = 1.0
    prior_ellipsoids: tuple[tuple[float, ...], ...] = ()
    solid_ellipsoids: tuple[tuple[float, ...], ...] = ()
    first_pass: str = "reused"
    plane_blur: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (self.super_resolution == "none") != (self.sr_latent == "none"):
            raise ValueError(
                f"super_resolution={self.super_resolution!r} does not go with"
                f" sr_latent={self.sr_latent!r}"
            )
        if self.super_resolution == "none" and self.render_resolution != self.image_resolution:
            raise ValueError(
                "without super-resolution rays are cast at the final resolution: render_resolution"
                f" is {self.render_resolution}, image_resolution {self.image_resolution}"
            )
        if self.solid_ellipsoids and not self.prior_ellipsoids:
            raise ValueError(
                "solid_ellipsoids are a part of the prior of the density: give"
                " prior_ellipsoids, too"
            )
        if self.logit_gain != 1 and not self.prior_ellipsoids:
            raise ValueError(
                f"logit_gain is {self.logit_gain}, a factor beside the prior of the density: give"
                " prior_ellipsoids, too"
            )
        if not all(axes in AXES for axes in self.plane_axes):
            raise ValueError(
                f"plane_axes is {list(self.plane_axes)}: give three of {', '.join(AXES)}"
            )
        if self.plane_blur and (
            len(self.plane_blur) != 3 or not all(0 <= s < 100 for s in self.plane_blur)
        ):
            raise ValueError(
                f"plane_blur is {list(self.plane_blur)}: give three standard deviations in texels,"
                " one for each plane, 0 for no filter"
            )
        if self.background not in ("black", "white", "matte"):
            raise ValueError(f"background is {self.background!r}: use black, white or matte")
        for name in (*SIZES, *COUNTS):
            least = int(name in SIZES)
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: expected {least} or more")
        if self.plane_resolution < 4 or self.plane_resolution.bit_count() != 1:
            raise ValueError(
                f"plane_resolution is {self.plane_resolution}: planes grow from 4 by doubling, give"
                " a power of two from 4 on"
            )
        if self.channel_base < self.plane_resolution:
            raise ValueError(
                f"channel_base is {self.channel_base}: the last layer has channel_base /"
                f" plane_resolution channels, expected {self.plane_resolution} or more"
            )

    @property
    def pixels_together(self) -> int:
        """Rays are cast at a multiple of this many pixels a side."""
        return 2 if self.first_pass == "proposal" else 1

    @property
    def stored_channels(self) -> int:
        """Channels of each of the three images of features that the backbone makes."""
        return self.plane_channels

    @property
    def passport_entries(self) -> dict[str, Any]:
        """Fields of the passport that aren't EG3D's, by name."""
        return {}

    @property
    def options(self) -> dict[str, Any]:
        """What goes beyond EG3D, by name; empty for a published generator."""
        names = (
            "density_gain",
            "logit_gain",
            "prior_ellipsoids",
            "solid_ellipsoids",
            "first_pass",
            "plane_blur",
            "hidden_channels",
            "feature_channels",
            "in_disparity",
        )
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        return {
            name: _plain(getattr(self, name))
            for name in names
            if getattr(self, name) != defaults[name]
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(
        cls: type[AnyConfiguration], values: dict[str, Any], source: str = "the EG3D configuration"
    ) -> AnyConfiguration:
        """Reads `to_dict`'s result; ValueError names the source and what is wrong."""
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(
                f"{source} has unknown keys {unknown}: it was written by another version of trilift"
            )
        if wrong := misfit(values, cls):
            raise ValueError(f"{source}: {wrong}")
        try:
            return cls(**{key: _tuples(value) for key, value in values.items()})
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (tuple, list)) else value
