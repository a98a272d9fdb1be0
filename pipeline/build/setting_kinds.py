"""The kinds of values that the settings of a verb take, apart from arguments of `_target_`, whose
annotations say so (`teachers.plain_values.require_arguments`).

A default in the root's file gives the kind of its setting; what a default can't say (null, ranges,
choices) stands in `DECLARED`.
"""

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.runs.markers import MARKERS
from teachers.plain_values import is_number, is_whole, words


@dataclass(frozen=True)
class Kind:
    """What a setting may be.

    Attributes:
        words: for the message.
        fits: whether a plain value is of this kind.
    """

    words: str
    fits: Callable[[Any], bool]


def whole(least: int | None = None, most: int | None = None) -> Kind:
    """A whole number of a range."""
    return Kind(
        f"{words(int)}{_range(least, most)}",
        lambda v: is_whole(v) and _is_between(v, least, most),
    )


def number(least: int | float | None = None, most: int | float | None = None) -> Kind:
    """A finite number of a range."""
    return Kind(
        f"{words(float)}{_range(least, most)}",
        lambda v: is_number(v) and _is_between(v, least, most),
    )


def choice(*names: str) -> Kind:
    """One of some words."""
    return Kind(f"one of {', '.join(names)}", lambda v: isinstance(v, str) and v in names)


def several(kind: Kind, count: int | None = None) -> Kind:
    """A list, of `count` elements if given."""
    return Kind(
        f"a list of {count or 'values'}, each {kind.words}",
        lambda v: (
            isinstance(v, list) and (count is None or len(v) == count) and all(map(kind.fits, v))
        ),
    )


def either(*kinds: Kind) -> Kind:
    """Any of the kinds."""
    return Kind(
        " or ".join(kind.words for kind in kinds), lambda v: any(kind.fits(v) for kind in kinds)
    )


def optional(kind: Kind) -> Kind:
    """The kind, or null."""
    return either(kind, NULL)


def _is_between(value: int | float, least: int | float | None, most: int | float | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _range(least: int | float | None, most: int | float | None) -> str:
    if most is not None:
        return f" of {least} to {most}"
    return "" if least is None else f", at least {least}"


FLAG = Kind(words(bool), lambda v: isinstance(v, bool))
TEXT = Kind(
    words(str), lambda v: isinstance(v, str | int | float) and v != "" and "\0" not in str(v)
)
NULL = Kind(words(None), lambda v: v is None)
TABLE = Kind(words(dict), lambda v: isinstance(v, dict))
TEXTS = either(TEXT, several(TEXT))
COUNT = whole(1)
SEED = whole(0, 2**63 - 1)
KERNELS = choice("readable", "fast", "auto")
CLOCK = Kind(
    "a time as DD:HH:MM:SS (00:01:30:00 is an hour and a half)",
    lambda v: isinstance(v, str) and re.fullmatch(r"[0-9]{1,6}(:[0-9]{1,6}){3}", v) is not None,
)

DECLARED: dict[str, dict[str, Kind]] = {
    "cameras": {
        "input": TEXT,
        "from": optional(choice("eg3d", "opengl", "blender", "nerf", "colmap")),
        "up": optional(choice("y", "z", "-y")),
        "to": optional(choice("eg3d", "opengl", "blender", "nerf", "colmap")),
        "output": optional(TEXT),
        "size": optional(whole(1, 65536)),
    },
    "check": {"checkpoint": TEXT, "kernels": KERNELS, "reference": optional(TEXT)},
    "convert": {
        "checkpoint": TEXT,
        "output": TEXT,
        "sr_latent": choice("w_mean", "teacher_w", "constant_one"),
        "focal": optional(number(1e-3, 1e3)),
        "sheet_identities": whole(0, 1000),
    },
    "prepare": {
        "input": TEXT,
        "output": TEXT,
        "resolution": whole(1, 4096),
        "background": number(0, 1),
        "portraits": TABLE,
    },
    "lift": {
        "input": TEXT,
        "output": TEXT,
        "checkpoint": optional(TEXT),
        "crop": optional(several(number(), 3)),
        "background": optional(number(0, 1)),
        "kernels": KERNELS,
        "runtime": choice("torch", "onnxruntime", "onnx", "openvino"),
        "runtime_file": optional(TEXT),
        "frames_per_second": number(0.1, 1000),
        "turntable.frames": whole(1, 100_000),
        "turntable.yaw_deg": optional(number(-180, 180)),
        "turntable.pitch_deg": number(-90, 90),
        "portraits": TABLE,
        "method": TABLE,
        "teacher": TABLE,
    },
    "export": {
        "network": optional(choice("encoder", "decoder", "renderer")),
        "comparison.inputs": COUNT,
        "comparison.batches": several(COUNT),
        "input": optional(TEXT),
        "sample": optional(whole(0)),
        "seed": whole(0),
        "truncation": number(),
        "output": TEXT,
        "format": TEXTS,
        "checkpoint": optional(TEXT),
        "metres_per_unit": optional(number()),
        "mesh.resolution": whole(),
        "mesh.faces": optional(whole()),
        "mesh.texture": optional(whole()),
        "splats.resolution": whole(),
        "splats.refine": whole(),
        "displays.view_cone_deg": number(),
        "displays.interpupillary_distance": number(),
        "displays.convergence": optional(number()),
        "displays.rays": whole(),
        "background": optional(number(0, 1)),
        "kernels": KERNELS,
        "runtime": choice("torch", "onnxruntime", "onnx", "openvino"),
        "runtime_file": optional(TEXT),
        "portraits": TABLE,
        "method": TABLE,
        "teacher": TABLE,
    },
    "stream": {
        "input": optional(TEXT),
        "address": optional(TEXT),
        "checkpoint": optional(TEXT),
        "planes": optional(TEXT),
        "record": optional(TEXT),
        "report": optional(TEXT),
        "output": optional(TEXT),
        "frames_per_second": number(1, 240),
        "seconds": optional(number(0)),
        "yaw_deg": number(-90, 90),
        "pitch_deg": number(-60, 60),
        "round_seconds": number(0.1, 3600),
        "codec.codec": choice("h264", "av1"),
        "codec.quality": number(0, 63),
        "codec.kilobits_per_second": whole(50, 1_000_000),
        "codec.refresh_seconds": number(0.1, 3600),
        "codec.buffer_seconds": number(0.05, 10),
        "codec.preset": optional(either(TEXT, whole(0, 13))),
        "codec.threads": whole(1, 64),
        "limits.viewers": whole(1, 1000),
        "limits.messages_per_second": whole(2, 1000),
        "limits.queue": whole(1, 240),
        "limits.stall_seconds": number(0.1, 3600),
        "port": whole(0, 65535),
        "threads": optional(COUNT),
        "kernels": KERNELS,
        "runtime": choice("torch", "onnxruntime", "openvino"),
        "portraits": TABLE,
    },
    "evaluate": {
        "seed": SEED,
        "checkpoint": optional(TEXT),
        "kernels": KERNELS,
        "processes": COUNT,
        "methods": several(TEXT),
        "predictions": optional(TEXTS),
        "export": optional(TEXT),
        "verify": optional(TEXT),
        "compare": optional(TEXTS),
        "wandb": optional(choice("online", "offline")),
        "ceiling_identities": whole(0),
        "ceiling_seed": SEED,
        "mean_of": COUNT,
        "calibration_samples": whole(0),
        "pose_estimator": optional(TABLE),
        "metrics": TABLE,
        "suite": TABLE,
        "teacher": optional(TABLE),
    },
    "generate": {
        "seed": SEED,
        "first": whole(0),
        "count": COUNT,
        "batch_size": COUNT,
        "kernels": KERNELS,
        "threads": optional(COUNT),
        "worker": whole(0),
        "stale_minutes": number(0),
        "shards": TABLE,
        "shards.size": COUNT,
    },
    "manifest": {"count": optional(COUNT), "seed": SEED, "overwrite": FLAG},
    "weights": {"name": optional(TEXTS), "downloads": optional(TEXT)},
    "demo": {
        "steps": optional(COUNT),
        "minutes": number(0),
        "puppets": several(whole(0)),
        "kernels": KERNELS,
        "photograph": optional(TEXT),
        "distill": several(TEXT),
        "evaluate": several(TEXT),
    },
    "distill": {
        "seed": SEED,
        "validation_seed": SEED,
        "batch_size": COUNT,
        "calibration_samples": whole(0),
        "imagenet": optional(TEXT),
        "start_from": optional(TEXT),
        "kernels": KERNELS,
        "profiler": optional(COUNT),
        "hours": optional(number(0)),
        "machine": optional(TEXT),
        "replay": optional(whole(0)),
        "replay_student": choice("last", "best"),
        "trainer": TABLE,
        "trainer.threads": optional(COUNT),
        "trainer.max_time": optional(CLOCK),
        "trainer.overlap": either(FLAG, choice("auto")),
        "trainer.devices": either(whole(-1), TEXT, several(whole(0))),
        "trainer.gradient_clip_val": optional(number(1e-12)),
        "trainer.accumulate": COUNT,
        "trainer.num_nodes": COUNT,
        "trainer.log_every": COUNT,
        "trainer.max_steps": whole(-1),
        "callbacks": TABLE,
        "callbacks.average": TABLE,
        "callbacks.average.half_life": number(0),
        "callbacks.validation": TABLE,
        "callbacks.validation.every_steps": COUNT,
        "callbacks.validation.samples": whole(0),
        "callbacks.validation.batch_size": COUNT,
        "callbacks.preview": TABLE,
        "callbacks.preview.every_steps": COUNT,
        "callbacks.preview.identities": whole(0),
        "callbacks.guard": TABLE,
        "callbacks.guard.most": whole(0),
        "callbacks.guard.within": COUNT,
        "callbacks.state": TABLE,
        "callbacks.state.every_steps": COUNT,
        "callbacks.state.every_minutes": optional(number(0)),
    },
    "pretrain": {
        "seed": SEED,
        "start_from": optional(TEXT),
        "kernels": KERNELS,
        "discriminator": optional(TABLE),
        "discriminator.conv_clamp": optional(number(0)),
        "profiler": optional(COUNT),
        "hours": optional(number(0)),
        "machine": optional(TEXT),
        "trainer.max_time": optional(CLOCK),
        "trainer.devices": either(whole(-1), TEXT, several(whole(0))),
        "trainer.num_nodes": COUNT,
        "trainer.threads": COUNT,
        "trainer.log_every": COUNT,
        "settings.batch_size": COUNT,
        "settings.r1_every": COUNT,
        "settings.density_every": COUNT,
        "settings.density_points": COUNT,
        "progress.every_images": COUNT,
        "progress.scored": whole(2),
        "progress.real": COUNT,
        "progress.save_minutes": optional(number(0)),
        "progress.drawing": TABLE,
        "card": TABLE,
        "card.compared": COUNT,
        "card.validation": whole(0),
        "autoencoder": optional(TABLE),
    },
}
"""Verb → dotted key → kind."""

GROUPS = {"distill": ("trainer/cpu", "callbacks/standard")}
"""Options whose defaults give the kinds of a group without `_target_`."""


def require_kinds(verb: str, config: DictConfig) -> None:
    """Checks the settings of a verb.

    Raises:
        ValueError: the first that is of another kind, with its value.
    """
    for key, kind in kinds(verb).items():
        above, _, name = key.rpartition(".")
        node = OmegaConf.select(config, above) if above else config
        if not isinstance(node, DictConfig) or name not in node or OmegaConf.is_missing(node, name):
            continue
        value = node[name]
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        if not kind.fits(plain):
            raise ValueError(f"{key} is {plain!r}: give {kind.words}")


@functools.cache
def kinds(verb: str) -> dict[str, Kind]:
    """Dotted key → kind: by the defaults, then as declared."""
    from .configuration import configuration_folder, root_of

    folder = configuration_folder()
    found = dict(_of_defaults(_read(folder / f"{root_of(verb)}.yaml"), ""))
    for option in GROUPS.get(verb, ()):
        group = option.partition("/")[0]
        found |= dict(_of_defaults(_read(folder / f"{option}.yaml"), f"{group}."))
    return found | DECLARED.get(verb, {})


def _read(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def _of_defaults(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, Kind]]:
    for name, value in node.items():
        if name in (*MARKERS, "defaults", "hydra", "verb") or value in (None, "???"):
            continue
        if isinstance(value, dict):
            yield f"{prefix}{name}", optional(TABLE) if prefix else TABLE
            if "_target_" not in value:
                yield from _of_defaults(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            yield f"{prefix}{name}", FLAG
        elif isinstance(value, int):
            yield f"{prefix}{name}", optional(whole()) if prefix else whole()
        elif isinstance(value, float):
            yield f"{prefix}{name}", optional(number()) if prefix else number()
        elif isinstance(value, str) and not value.startswith("${"):
            yield f"{prefix}{name}", Kind(words(str), lambda v: v in ("", None) or TEXT.fits(v))
        elif isinstance(value, list):
            yield f"{prefix}{name}", Kind(words(list), lambda v: isinstance(v, list))
