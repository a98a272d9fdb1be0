"""The record of one stored identity: named fields in a tar, encoded and decoded.

Fields are webdataset extensions, so any webdataset reader decodes them. Every record has

* `json`: sample number, seed, teacher, truncation, and the hashes of the other fields;
* `z.npy`: the input latent, `[z_dim]`;
* `second.z.npy`, `crossover.npy`: of style mixing, if the sampler mixes: `[z_dim]`, and `[1]` in
  [0, 1], where 1 stands for an identity that isn't mixed;
* `reference.camera.npy`, `novel.camera.npy`: EG3D labels, `[25]`;
* `conditioning.camera.npy`: the camera that conditioned the mapping network, if it had one.

Full records also have, for each view,

* `VIEW.image.png` or `VIEW.image.npy`: the final image, `[3 height width]`;
* `VIEW.features.npy`: the feature image of the volume render, `[channel height width]`;
* `VIEW.depth.npy`, `VIEW.opacity.npy`: `[1 height width]`;
* `VIEW.raw.npy`: the raw image, if it isn't the first three channels of the feature image;

and, if they are stored, `planes.npy`, `[3 channel height width]`. Nothing is pickled. Equal
identities give equal bytes.
"""

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.batch import DistillationBatch, View
from pipeline.pictures import from_uint8, to_uint8
from pipeline.portraits.photograph import decode_picture
from pipeline.portraits.pixels import opaque
from pipeline.sampling.draws import Draws, Mixing
from teachers.plain_values import parse_json
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .shard_errors import CorruptShard, MissingField, WrongSchema

SCHEMA_VERSION = 1

Fields = dict[str, bytes]
"""Contents of the files of one record, by extension."""

LATENT_FIELDS = ("z.npy", "reference.camera.npy", "novel.camera.npy")
MIXING_FIELDS = ("second.z.npy", "crossover.npy")
OPTIONAL_LATENT_FIELDS = ("conditioning.camera.npy", *MIXING_FIELDS)
VIEW_FIELDS = ("features.npy", "depth.npy", "opacity.npy")


@dataclass(frozen=True)
class Storage:
    """Precision of full records.

    Attributes:
        pictures: final images: "uint8" is a PNG, clamped to [-1, 1], error at most 1/255;
            "float16", error at most 1/4096; "float32", exact.
        features: feature images, raw images and opacities: "float16" or "float32". Depths are
            always float32.
        planes: "none": the teacher synthesises them again from z; "float16", relative error at
            most 1/2048; "float32", exact.

    Raises:
        ValueError: a field has another value.
    """

    pictures: str = "uint8"
    features: str = "float16"
    planes: str = "none"

    def __post_init__(self) -> None:
        known = {
            "pictures": ("uint8", "float16", "float32"),
            "features": ("float16", "float32"),
            "planes": ("none", "float16", "float32"),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"shards.{name} is {getattr(self, name)!r}: use one of {', '.join(values)}"
                )

    def required_fields(self) -> tuple[str, ...]:
        """The fields that every full record must have."""
        picture = "image.png" if self.pictures == "uint8" else "image.npy"
        views = [
            f"{view}.{field}"
            for view in ("reference", "novel")
            for field in (picture, *VIEW_FIELDS)
        ]
        return (*LATENT_FIELDS, *views, *([] if self.planes == "none" else ["planes.npy"]))


def latent_fields(draws: Draws, row: int) -> Fields:
    """The fields of latent and cameras; `row` of the draws."""
    cameras = {
        "reference": draws.reference,
        "novel": draws.novel,
        "conditioning": draws.conditioning,
    }
    labels = {
        f"{name}.camera.npy": _npy(camera.label()[row])
        for name, camera in cameras.items()
        if camera is not None
    }
    mixing = draws.mixing and {
        "second.z.npy": _npy(draws.mixing.z[row]),
        "crossover.npy": _npy(draws.mixing.crossover[row : row + 1]),
    }
    return {"z.npy": _npy(draws.z[row]), **labels, **(mixing or {})}


def picture_fields(identities: DistillationBatch, row: int, storage: Storage) -> Fields:
    """The fields of the renderings, and of the planes if they are stored; `row` of the batch."""
    fields: Fields = {}
    for name in ("reference", "novel"):
        rendering: Rendering = getattr(identities, name).rendering
        if storage.pictures == "uint8":
            fields[f"{name}.image.png"] = _png(rendering.image[row])
        else:
            fields[f"{name}.image.npy"] = _npy(rendering.image[row], storage.pictures)
        if not torch.equal(rendering.image_raw[row], rendering.feature_image[row, :3]):
            fields[f"{name}.raw.npy"] = _npy(rendering.image_raw[row], storage.features)
        fields[f"{name}.features.npy"] = _npy(rendering.feature_image[row], storage.features)
        fields[f"{name}.depth.npy"] = _npy(rendering.depth[row])
        fields[f"{name}.opacity.npy"] = _npy(rendering.opacity[row], storage.features)
    if storage.planes != "none":
        fields["planes.npy"] = _npy(identities.triplane.planes[row], storage.planes)
    return fields


def sealed(fields: Fields, *, number: int, seed: int, teacher: str, truncation: float) -> Fields:
    """Adds the field `json` with metadata and hashes.

    Args:
        fields: all others.
        number: sample number.
        seed: of the random streams.
        teacher: `weights_hash` of the teacher.
        truncation: ψ; 1 is none.
    """
    facts: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "number": number,
        "seed": seed,
        "teacher": teacher,
        "truncation": truncation,
    }
    facts["hashes"] = {name: _hash(content) for name, content in fields.items()}
    facts["seal"] = _hash(_json(facts))
    return {**fields, "json": _json(facts)}


class Record:
    """One stored identity with verified hashes; fields are decoded on access.

    Args:
        fields: as returned by `sealed`.
        where: names the record in errors.
        required: fields that must exist.
        is_foreign: written by another program: `json` and hashes are optional.

    Raises:
        CorruptShard: a hash differs.
        MissingField: a required or hashed field is missing.
        WrongSchema: the record has another schema version.
    """

    def __init__(
        self,
        fields: Mapping[str, bytes],
        where: str,
        *,
        required: Sequence[str] = LATENT_FIELDS,
        is_foreign: bool = False,
    ) -> None:
        self._fields, self.where = fields, where
        facts = self._facts(is_foreign)
        missing = [
            name for name in dict.fromkeys([*required, *facts["hashes"]]) if name not in fields
        ]
        if missing:
            raise MissingField(
                f"{where} has no {', '.join(missing)}; it has {', '.join(sorted(fields))}: write"
                " the shard again"
            )
        for name, expected in facts["hashes"].items():
            if _hash(fields[name]) != expected:
                raise CorruptShard(
                    f"{name} of {where} was changed after it was written (its hash differs): write"
                    " the shard again"
                )
        self.number, self.teacher = int(facts.get("number", 0)), str(facts.get("teacher", ""))
        self.truncation = float(facts.get("truncation", 1.0))

    def _facts(self, is_foreign: bool) -> dict[str, Any]:
        if "json" not in self._fields:
            if is_foreign:
                return {"hashes": {}}
            raise MissingField(
                f"{self.where} has no json with its sample number and hashes; it has"
                f" {', '.join(sorted(self._fields))}"
            )
        try:
            facts = parse_json(self._fields["json"], f"the json of {self.where}", dict[str, Any])
        except ValueError as error:
            if is_foreign:
                return {"hashes": {}}
            raise CorruptShard(f"{error}: write the shard again") from error
        if is_foreign:
            return _foreign_facts(facts)
        if facts.get("schema_version") != SCHEMA_VERSION:
            version = facts.get("schema_version")
            raise WrongSchema(
                f"{self.where} has schema version {version!r}, this trilift reads {SCHEMA_VERSION}:"
                " generate it again"
            )
        seal = facts.pop("seal", None)
        if seal != _hash(_json(facts)):
            raise CorruptShard(
                f"the json of {self.where} was changed after it was written (its seal differs):"
                " write the shard again"
            )
        return facts

    def has(self, name: str) -> bool:
        """Whether the record has this field."""
        return name in self._fields

    def array(self, name: str) -> Float[Tensor, "*shape"]:
        """A field as a float32 tensor on the CPU.

        Raises:
            CorruptShard: it isn't an array of numbers.
            MissingField: the record doesn't have it.
        """
        if name not in self._fields:
            raise MissingField(
                f"{self.where} has no {name}; it has {', '.join(sorted(self._fields))}"
            )
        try:
            _require_announced(self._fields[name])
            array = np.lib.format.read_array(io.BytesIO(self._fields[name]), allow_pickle=False)
            return torch.from_numpy(array.astype(np.float32))
        except (ValueError, OSError, EOFError, TypeError, OverflowError) as error:
            raise CorruptShard(
                f"{name} of {self.where} isn't an array ({error}): write the shard again"
            ) from error

    def image(self, view: str) -> Float[Tensor, "3 height width"]:
        """The final image of a view, in [-1, 1].

        Raises:
            CorruptShard: it can't be decoded.
            MissingField: the record has neither a PNG nor an array of it.
        """
        name = f"{view}.image.png"
        if name not in self._fields:
            image = self.array(f"{view}.image.npy")
            if image.ndim != 3 or len(image) != 3:
                raise CorruptShard(
                    f"{view}.image.npy of {self.where} has the shape {list(image.shape)}: expected"
                    " [3, height, width]"
                )
            return image
        try:
            return from_uint8(np.asarray(opaque(decode_picture(self._fields[name]))))
        except ValueError as error:
            raise CorruptShard(
                f"{name} of {self.where} can't be decoded ({error}): write the shard again"
            ) from error


def _foreign_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """The truncation and hashes that another program's `json` may hold; the rest is its own."""
    truncation, hashes = facts.get("truncation", 1.0), facts.get("hashes")
    is_known = isinstance(truncation, int | float) and math.isfinite(truncation)
    return {
        "truncation": truncation if is_known else 1.0,
        "hashes": hashes if isinstance(hashes, dict) else {},
    }


def draws_of(records: Sequence[Record]) -> Draws:
    """The latents and cameras of some records, on the CPU.

    Raises:
        MissingField: one lacks a field that another has.
    """
    conditioned = any(record.has("conditioning.camera.npy") for record in records)
    mixed = any(record.has(name) for record in records for name in MIXING_FIELDS)
    return Draws(
        samples=[record.number for record in records],
        z=torch.stack([record.array("z.npy") for record in records]),
        truncation=torch.tensor([record.truncation for record in records], dtype=torch.float32),
        conditioning=cameras_of(records, "conditioning") if conditioned else None,
        reference=cameras_of(records, "reference"),
        novel=cameras_of(records, "novel"),
        mixing=Mixing(
            torch.stack([record.array("second.z.npy") for record in records]),
            torch.cat([record.array("crossover.npy") for record in records]),
        )
        if mixed
        else None,
    )


def cameras_of(records: Sequence[Record], name: str) -> Camera:
    """The cameras of one name, "reference", "novel" or "conditioning", of some records."""
    return Camera.from_label(
        torch.stack([record.array(f"{name}.camera.npy") for record in records])
    )


def view_of(records: Sequence[Record], name: str) -> View:
    """The view "reference" or "novel" of some full records, on the CPU."""
    features, depth, opacity = (
        torch.stack([record.array(f"{name}.{field}") for record in records])
        for field in VIEW_FIELDS
    )
    raw = f"{name}.raw.npy"
    image_raw = torch.stack(
        [
            record.array(raw) if record.has(raw) else features[row, :3]
            for row, record in enumerate(records)
        ]
    )
    image = torch.stack([record.image(name) for record in records])
    return View(cameras_of(records, name), Rendering(image, image_raw, features, depth, opacity))


def moved(view: View, device: torch.device) -> View:
    """The view on a device."""
    pictures = {
        f.name: getattr(view.rendering, f.name).to(device, non_blocking=True)
        for f in dataclasses.fields(Rendering)
    }
    return View(view.camera.to(device), Rendering(**pictures))


def _require_announced(content: bytes) -> None:
    """Raises ValueError if the header of an npy file announces more bytes than follow it: numpy
    would ask for the memory before it reads them.
    """
    buffer = io.BytesIO(content)
    version = np.lib.format.read_magic(buffer)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(buffer)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(buffer)
    left = len(content) - buffer.tell()
    # An element of no bytes (an empty text) counts as one: it would become a float of four.
    announced = math.prod(shape) * max(1, dtype.itemsize)
    if announced > left and not dtype.hasobject:  # objects are refused by `read_array`
        raise ValueError(f"its header announces {announced} bytes, {left} follow")


def _npy(values: Tensor, dtype: str = "float32") -> bytes:
    buffer = io.BytesIO()
    array = np.ascontiguousarray(
        values.detach().cpu().numpy().astype(np.dtype(dtype).newbyteorder("<"))
    )
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _png(image: Float[Tensor, "3 height width"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _json(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
