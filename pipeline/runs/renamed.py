"""Files of earlier versions: the former addresses and keys, and those of this version.

Every reader of a stored configuration, description or score passes the values through `current`.
This is the only table of its kind: whoever renames a key or moves a `_target_` adds a row.
"""

from pathlib import Path
from typing import Any, TypeVar, overload

from teachers.plain_values import read_json_file, require_shape

T = TypeVar("T")

MOVED = {
    "pipeline.sampling.laws": "pipeline.sampling.distributions",
    "pipeline.sampling.cameras.CameraPrior": "pipeline.sampling.cameras.OrbitPrior",
    "pipeline.data.live.live_people": "pipeline.data.live.live_samples",
    "pipeline.data.training_pictures.puppet_pictures": (
        "pipeline.pretraining.training_images.rendered_images"
    ),
    "pipeline.data.training_pictures.labelled_pictures": (
        "pipeline.pretraining.training_images.labelled_images"
    ),
    "pipeline.pretraining.training_images.puppet_images": (
        "pipeline.pretraining.training_images.rendered_images"
    ),
    "pipeline.pretraining.training_pictures.puppet_pictures": (
        "pipeline.pretraining.training_images.rendered_images"
    ),
    "pipeline.pretraining.training_pictures.labelled_pictures": (
        "pipeline.pretraining.training_images.labelled_images"
    ),
    "pipeline.evaluation.suites.capture_export": "pipeline.evaluation.suites.puppet_captures",
    "pipeline.evaluation.suites.h3ds": "pipeline.evaluation.captures.h3ds",
    "pipeline.evaluation.suites.nersemble": "pipeline.evaluation.captures.nersemble",
    "pipeline.training.gan_schedule": "pipeline.pretraining.schedule",
    "pipeline.training.adversary": "pipeline.distillation.adversary",
    "pipeline.training.optimizer": "pipeline.distillation.optimizer",
    "pipeline.training.loggers": "pipeline.runs.loggers",
    "pipeline.portraits.mediapipe_tasks.MediaPipeDetector": (
        "pipeline.portraits.facemesh.detector.FaceMeshDetector"
    ),
    "teachers.eg3d.untrained": "teachers.untrained",
}
"""Modules and objects that a `_target_` names or begins with, before → now."""

RENAMED = {
    "people": "identities",
    "ceiling_people": "ceiling_identities",
    "trained_people": "trained_identities",
    "sheet_people": "sheet_identities",
    "pitch_law": "pitch_distribution",
    "pose_law": "pose_distribution",
    "laws": "distributions",
    "person": "subject",
    "psnr_person": "psnr_foreground",
    "not_computed": "unavailable",
    "pictures_without_answer": "missing_predictions",
}
"""Keys of configurations, descriptions and scores, before → now, wherever they stand."""

REMOVED = {
    "pipeline.pretraining.training_images.rendered_images": frozenset({"compile"}),
    "pipeline.portraits.facemesh.detector.FaceMeshDetector": frozenset({"model", "most_faces"}),
}
"""Keys that a `_target_` of this version has no longer: they decided speed alone, or named a file
that is part of the package now.
"""

VALUES: dict[str, dict[str, str]] = {"metric": {"psnr_person": "psnr_foreground"}}
"""Strings under a key, before → now."""


@overload
def read_json(path: Path, shape: type[T], advice: str = ...) -> T: ...
@overload
def read_json(path: Path, shape: Any = ..., advice: str = ...) -> Any: ...
def read_json(path: Path, shape: Any = object, advice: str = "") -> Any:
    """A JSON file of this version or an earlier one, as this version writes it.

    Args:
        path: the file.
        shape: an annotation that its content fits (see `teachers.plain_values.misfit`).
        advice: what to do about another content.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it isn't JSON, or of another shape.
    """
    content = current(read_json_file(path, object, advice))
    return require_shape(content, shape, str(path), advice)


def current(stored: Any) -> Any:
    """Nested plain values with this version's keys and addresses; idempotent."""
    if isinstance(stored, dict):
        values = {RENAMED.get(key, key): _value(key, value) for key, value in stored.items()}
        gone = REMOVED.get(str(values.get("_target_")), frozenset())
        return {key: value for key, value in values.items() if key not in gone}
    return [current(value) for value in stored] if isinstance(stored, list) else stored


def _value(key: str, value: Any) -> Any:
    if key == "manifests_sha256" and isinstance(value, dict) and len(value) > 1:
        # The ceiling's, beside the suite's own: evaluations recorded both.
        return {suite: manifest for suite, manifest in value.items() if suite != "teacher"}
    if not isinstance(value, str):
        return current(value)
    return moved(value) if key == "_target_" else VALUES.get(key, {}).get(value, value)


def moved(target: str) -> str:
    """The present address of a module, class or function; only whole dotted segments match."""
    for before, now in MOVED.items():
        if target == before or target.startswith(f"{before}."):
            return now + target[len(before) :]
    return target
