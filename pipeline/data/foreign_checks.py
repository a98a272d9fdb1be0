"""What a record of another program has to hold so that a student may learn from it."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from pipeline.portraits.cameras.readings import BETTER, MISS_DEG, OURS, READINGS, miss_deg, read_as
from pipeline.sampling.view_rendering import ViewRendering
from teachers.passport import Passport
from teachers.rendering.camera import Camera

from .labels import BadDataset, check_labels
from .record import MIXING_FIELDS, Record
from .shard_errors import CorruptShard

SEEN = 0.25
"""Picture sides by which the box's middle may lie outside a picture."""

VIEWS = ("reference", "novel")


def check_record(
    record: Record, passport: Passport, z_dim: int, rendering: Mapping[str, ViewRendering]
) -> None:
    """Decodes every field and compares it with the teacher's passport.

    Args:
        record: of another program.
        passport, z_dim: of the teacher.
        rendering: changes of the teacher's renderer, by view: such views may have any size.

    Raises:
        CorruptShard: the first field of another shape or range, or that isn't finite; a camera in
            another convention. The message names field and record.
        MissingField: one of the two fields of style mixing without the other.
    """
    for view in VIEWS:
        _check_camera(record, f"{view}.camera.npy")
        is_resized = view in rendering and "resolution" in rendering[view].changes
        _check_view(record, view, None if is_resized else passport)
    _check_convention(record, passport)
    if record.has("planes.npy"):
        side = passport.plane_resolution
        _check(record, "planes.npy", (3, passport.stored_channels, side, side))
    else:
        _check(record, "z.npy", (z_dim,))
        if any(record.has(name) for name in MIXING_FIELDS):
            _check(record, "second.z.npy", (z_dim,))
            _check(record, "crossover.npy", (1,), (0.0, 1.0))
        if record.has("conditioning.camera.npy"):
            _check_camera(record, "conditioning.camera.npy")


def require_channels(record: Record, expected: int) -> int:
    """The number of channels of its feature images.

    Args:
        record: one that `check_record` let pass.
        expected: the number of those before; 0: none came yet.

    Raises:
        CorruptShard: there are others, so that no batch could hold both.
    """
    for view in VIEWS:
        name = f"{view}.features.npy"
        found = len(record.array(name))
        expected = expected or found
        if found != expected:
            raise CorruptShard(
                f"{name} of {record.where} has {found} channels, those before have {expected}:"
                " write as many into every record"
            )
    return expected


def has_no_dark_pixel(record: Record) -> bool:
    """Whether no image that is stored as numbers goes below 0, as those in [0, 1] do."""
    return all(
        record.has(f"{view}.image.npy") and record.image(view).min().item() >= 0 for view in VIEWS
    )


def _check_view(record: Record, view: str, passport: Passport | None) -> None:
    """None: sizes are free, but pictures are square and their maps of one size."""
    features, image = record.array(f"{view}.features.npy"), record.image(view)
    if features.ndim != 3:
        raise CorruptShard(
            f"{view}.features.npy of {record.where} has the shape {list(features.shape)}: expected"
            " [channels, height, width]"
        )
    small = features.shape[-1] if passport is None else passport.render_resolution
    large = image.shape[-1] if passport is None else passport.image_resolution
    kind = "png" if record.has(f"{view}.image.png") else "npy"
    _require(record, f"{view}.image.{kind}", image, (3, large, large), (-1.01, 1.01))
    _require(record, f"{view}.features.npy", features, (len(features), small, small))
    if len(features) < 3:
        raise CorruptShard(f"{view}.features.npy of {record.where} has no three colour channels")
    _check(record, f"{view}.depth.npy", (1, small, small), (0.0, float("inf")))
    _check(record, f"{view}.opacity.npy", (1, small, small), (-0.01, 1.01))
    if record.has(f"{view}.raw.npy"):
        _check(record, f"{view}.raw.npy", (3, small, small))


def _check_camera(record: Record, name: str) -> None:
    label = record.array(name)
    try:
        check_labels([f"{name} of {record.where}"], [label.tolist()])
    except BadDataset as error:
        raise CorruptShard(str(error)) from error
    place = Camera.from_label(label[None]).project(torch.zeros(1, 1, 3))[0][0, 0]
    if not ((place > -SEEN) & (place < 1 + SEEN)).all():
        raise CorruptShard(
            f"{name} of {record.where} sees the origin, where heads are, at"
            f" ({place[0]:.2f}, {place[1]:.2f}) of a picture from 0 to 1: write camera-to-world"
            " matrices (these may be world-to-camera) in the teacher's world"
        )


def _check_convention(record: Record, passport: Passport) -> None:
    """Both cameras look at the teacher's pivot, or another reading of their matrices does."""
    labels = torch.stack([record.array(f"{view}.camera.npy") for view in VIEWS]).double()
    camera, pivot = Camera.from_label(labels), np.array(passport.camera_pivot)
    matrices, intrinsics = camera.cam_to_world.numpy(), camera.intrinsics.numpy()
    misses = {name: miss_deg(read_as(matrices, name), intrinsics, pivot) for name in READINGS}
    best = min(misses, key=lambda name: misses[name])
    if misses[OURS] > max(MISS_DEG, BETTER * misses[best]):
        raise CorruptShard(
            f"reference.camera.npy and novel.camera.npy of {record.where} miss the head by"
            f" {misses[OURS]:.0f}° as {OURS} matrices, by {misses[best]:.0f}° as {best}: write"
            f" {OURS} matrices"
        )


def _check(
    record: Record,
    name: str,
    shape: tuple[int, ...],
    limits: tuple[float, float] = (float("-inf"), float("inf")),
) -> None:
    _require(record, name, record.array(name), shape, limits)


def _require(
    record: Record,
    name: str,
    values: Tensor,
    shape: tuple[int, ...],
    limits: tuple[float, float] = (float("-inf"), float("inf")),
) -> None:
    if tuple(values.shape) != shape:
        raise CorruptShard(
            f"{name} of {record.where} has the shape {list(values.shape)}, the teacher's is"
            f" {list(shape)}"
        )
    if values.numel() == 0:
        raise CorruptShard(f"{name} of {record.where} is empty")
    if not values.isfinite().all():
        raise CorruptShard(f"{name} of {record.where} holds something that isn't a finite number")
    low, high = values.min().item(), values.max().item()
    if not (limits[0] <= low and high <= limits[1]):
        raise CorruptShard(
            f"{name} of {record.where} ranges from {low:.4g} to {high:.4g}: expected"
            f" {limits[0]:g} to {limits[1]:g}"
        )
