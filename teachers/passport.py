"""The passport: the metadata in which a student and its teacher must agree."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .plain_values import parse_json, read_json_file, require_shape
from .rendering.camera import Camera
from .rendering.triplane import Triplane

SCHEMA_VERSION = 1
YOUNGER = ("plane_depth", "full_circle", "aggregation", "product_gain", "training_data")
"""Fields that aren't written where they have their default, as in older files."""

OPTIONAL = {"options", *YOUNGER}
"""Fields that a stored passport may lack."""

SuperResolutionLatent = Literal["teacher_w", "w_mean", "constant_one", "none"]


@dataclass(frozen=True)
class Passport:
    """Everything about a teacher that a student's planes depend on; stored in every student file.

    Attributes:
        kind: "eg3d", "toy", …: which package of `teachers` reads it.
        name: for messages and reports.
        plane_axes: the world coordinates along width and height of each plane (`Triplane.axes`).
        plane_channels: feature channels of one plane.
        plane_depth: planes in a stack (`Triplane.depth`); 1 is EG3D's triplane.
        plane_resolution: side of a plane in texels.
        box_size: side of the cube that the planes span, world units.
        near, far: first and last depth of a ray; equal to None where they follow from the box.
        focal: normalised focal length of the teacher's training cameras.
        camera_radius, camera_pivot: their distance from the origin and what they look at.
        render_resolution: side of the volume rendering.
        image_resolution: side of the final image.
        depth_samples, importance_samples: ray samples of the two passes.
        background: "black", "white" or "matte".
        super_resolution: "none", "2X", "4X", "8X", "8XDC".
        sr_latent: which latent the super-resolution is given.
        aggregation, product_gain: of the three planes' features (see `Triplane`).
        full_circle: the teacher has seen heads from all round, their backs, too.
        options: what a teacher has beyond its kind's published form (density prior, plane head, …),
            by name.
        source_hash: sha256 of the file that the weights came from (a pickle, or the weights
            themselves).
        licence: of the weights, in a sentence.
        training_data: what the weights were trained on, each with "name" and "licence"; ():
            not recorded (teachers of earlier versions).
    """

    kind: str
    name: str
    plane_axes: tuple[str, str, str]
    plane_channels: int
    plane_resolution: int
    box_size: float
    near: float | None
    far: float | None
    focal: float
    camera_radius: float
    camera_pivot: tuple[float, float, float]
    render_resolution: int
    image_resolution: int
    depth_samples: int
    importance_samples: int
    background: str
    super_resolution: str
    sr_latent: SuperResolutionLatent
    source_hash: str
    licence: str
    options: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    plane_depth: int = 1
    full_circle: bool = False
    aggregation: Literal["mean", "product"] = "mean"
    product_gain: float = 0.0
    training_data: tuple[dict[str, str], ...] = ()

    @property
    def stored_channels(self) -> int:
        """Channels of a `Triplane` of this teacher: those of a plane, for each plane of a stack."""
        return self.plane_channels * self.plane_depth

    def orbit(
        self, yaw: Float[Tensor, " batch"], pitch: Float[Tensor, " batch"] | None = None
    ) -> Camera:
        """Cameras with the radius, pivot and focal length of the teacher's training cameras.

        Args:
            yaw, pitch: radians (see `Camera.orbit`); no pitch is 0, and yaw 0 then is frontal.
        """
        return Camera.orbit(
            yaw,
            torch.zeros_like(yaw) if pitch is None else pitch,
            radius=self.camera_radius,
            pivot=self.camera_pivot,
            focal=self.focal,
        )

    def triplane(self, planes: Float[Tensor, "batch 3 channel height width"]) -> Triplane:
        """Planes as this teacher's renderer reads them."""
        return Triplane(
            planes,
            self.plane_axes,
            self.box_size,
            self.plane_depth,
            self.aggregation,
            self.product_gain,
        )

    def require_same(self, other: "Passport", *, mine: str, others: str) -> None:
        """Raises ValueError with both sides and every differing field, unless the passports agree.

        `name`, `licence` and `training_data` may differ: they don't change an image.
        """
        ignored = {"name", "licence", "training_data"}
        differences = [
            f"  {f.name}: {mine} has {getattr(self, f.name)!r}, {others} has"
            f" {getattr(other, f.name)!r}"
            for f in dataclasses.fields(self)
            if f.name not in ignored and getattr(self, f.name) != getattr(other, f.name)
        ]
        if differences:
            raise ValueError(
                f"{mine} (teacher {self.name!r}) and {others} (teacher {other.name!r}) do not"
                " belong together:\n"
                + "\n".join(differences)
                + "\nUse the teacher that the student was distilled from, or distil a new student."
            )

    def to_json(self) -> str:
        """Indented JSON; what younger fields say of all older teachers isn't written."""
        values = dataclasses.asdict(self)
        for name in YOUNGER:
            if values[name] == type(self).__dataclass_fields__[name].default:
                del values[name]
        return json.dumps(values, indent=2)

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "the passport") -> "Passport":
        """Reads parsed JSON.

        Args:
            values: as JSON has them.
            source: for messages.

        Raises:
            ValueError: another schema version, missing or unknown fields, or a value of another
                kind.
        """
        require_shape(values, dict, source)
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"{source} has schema version {version!r}, this trilift reads {SCHEMA_VERSION}:"
                " convert the checkpoint again"
            )
        names = {f.name for f in dataclasses.fields(cls)}
        unknown, missing = sorted(set(values) - names), sorted(names - set(values) - OPTIONAL)
        if unknown or missing:
            raise ValueError(
                f"{source} is not of schema {SCHEMA_VERSION}: unknown fields {unknown}, missing"
                f" fields {missing}"
            )
        return require_shape(values, cls, source)

    @classmethod
    def from_json(cls, text: str, source: str) -> "Passport":
        """Reads `to_json`'s result; ValueError as `from_dict`."""
        return cls.from_dict(parse_json(text, source, dict[str, Any]), source)

    @classmethod
    def read(cls, path: Path) -> "Passport":
        """Reads a passport JSON file."""
        return cls.from_dict(read_json_file(path, dict[str, Any]), str(path))
