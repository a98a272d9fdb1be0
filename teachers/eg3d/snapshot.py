"""The used contents of an official snapshot: weights by name, settings, provenance."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .pickle_machine import UnreadablePickle, short
from .pickle_reader import WRAPPERS, ModuleRecord, Unused, read_records

MAX_DEPTH = 16
"""Deepest nesting of modules or settings; official ones have 5."""

MAX_VALUES = 10_000
"""Most numbers and strings among the settings; official ones have about 40."""


@dataclass(frozen=True)
class Snapshot:
    """The contents of a snapshot file; the arrays are read-only views into it.

    Attributes:
        generator_state: weights of G_ema by state-dict name.
        discriminator_state: weights of D, or None without one.
        generator_class: class name of G_ema.
        init_kwargs: what G_ema was constructed with.
        discriminator_init_kwargs: what D was constructed with.
        rendering_kwargs: the rendering options in force (they can be edited after construction).
        neural_rendering_resolution: side of the volume rendering.
        plane_axes: three 3x3 matrices, or None.
        superresolution_class: class name of the super-resolution module, or None.
        source_hashes: sha256 of the Python text that each persistent class carried.
        file_sha256: of the whole file.
        training_set_kwargs: what it was trained on.
    """

    generator_state: dict[str, np.ndarray]
    discriminator_state: dict[str, np.ndarray] | None
    generator_class: str
    init_kwargs: dict[str, Any]
    discriminator_init_kwargs: dict[str, Any]
    rendering_kwargs: dict[str, Any]
    neural_rendering_resolution: int
    plane_axes: np.ndarray | None
    superresolution_class: str | None
    source_hashes: dict[str, str]
    file_sha256: str
    training_set_kwargs: dict[str, Any]


def read_snapshot(path: Path) -> Snapshot:
    """Reads an official EG3D pickle without unpickling it.

    Raises:
        ValueError: not such a file, damaged, or unsupported; the message says which and what to do.
    """
    records = read_records(path)
    try:
        return _snapshot(records, _sha256(path))
    except UnreadablePickle as error:
        raise ValueError(f"{path} can't be used as an EG3D snapshot: {error}.") from error


def _snapshot(records: dict[str, Any], file_sha256: str) -> Snapshot:
    generator, discriminator = (_unwrapped(records.get(name)) for name in ("G_ema", "D"))
    assert isinstance(generator, ModuleRecord)
    modules = generator.children("_modules")
    if not {"backbone", "decoder", "renderer"} <= modules.keys():
        raise UnreadablePickle(
            f"G_ema is a {short(generator.class_name)} without backbone, decoder and renderer: a 2D"
            " GAN, not EG3D"
        )
    init_kwargs = settings(generator.state.get("_init_kwargs", {}))
    rendering_kwargs = settings(
        generator.state.get("rendering_kwargs", init_kwargs.get("rendering_kwargs", {}))
    )
    resolution = generator.state.get("neural_rendering_resolution", 64)
    if isinstance(resolution, float) and resolution.is_integer():
        resolution = int(resolution)
    if type(resolution) is not int or not 1 <= resolution <= 4096:
        raise UnreadablePickle(f"neural_rendering_resolution is {short(resolution)}")
    superresolution = modules.get("superresolution")
    networks = [
        network for network in (generator, discriminator) if isinstance(network, ModuleRecord)
    ]
    return Snapshot(
        generator_state=dict(_tensors(generator)),
        discriminator_state=(
            dict(_tensors(discriminator)) if isinstance(discriminator, ModuleRecord) else None
        ),
        generator_class=generator.class_name,
        init_kwargs=init_kwargs,
        discriminator_init_kwargs=(
            settings(discriminator.state.get("_init_kwargs", {}))
            if isinstance(discriminator, ModuleRecord)
            else {}
        ),
        rendering_kwargs=rendering_kwargs,
        neural_rendering_resolution=resolution,
        plane_axes=_plane_axes(modules["renderer"]),
        superresolution_class=(
            superresolution.class_name if isinstance(superresolution, ModuleRecord) else None
        ),
        source_hashes={name: digest for network in networks for name, digest in _sources(network)},
        file_sha256=file_sha256,
        training_set_kwargs=_record(records.get("training_set_kwargs")),
    )


def _unwrapped(network: Any) -> Any:
    """The network within what torch.compile and DistributedDataParallel put around it, whose
    attributes are those of the wrapper's only child.
    """
    for _ in range(MAX_DEPTH):
        if not isinstance(network, ModuleRecord):
            return network
        children = network.children("_modules")
        inner = next((children[name] for name in WRAPPERS if children.keys() >= {name}), None)
        if not isinstance(inner, ModuleRecord) or {"backbone", "decoder"} & children.keys():
            return network
        others = {name: child for name, child in children.items() if name not in WRAPPERS}
        state = {**network.state, **inner.state}
        state["_modules"] = {**others, **inner.children("_modules")}
        name = inner.class_name if "_init_kwargs" in inner.state else network.class_name
        network = ModuleRecord(name, inner.source_sha256 or network.source_sha256, state)
    return network


def _walk(module: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, ModuleRecord]]:
    if not isinstance(module, ModuleRecord):
        raise UnreadablePickle(f"module {short(prefix[:-1])} is {short(module)}: damaged")
    if depth > MAX_DEPTH:
        raise UnreadablePickle(
            f"modules are nested deeper than {MAX_DEPTH}: damaged, or a module that contains itself"
        )
    yield prefix, module
    for name, child in module.children("_modules").items():
        if child is not None:
            yield from _walk(child, f"{prefix}{name}.", depth + 1)


def _tensors(network: ModuleRecord) -> Iterator[tuple[str, np.ndarray]]:
    seen: set[str] = set()
    for prefix, module in _walk(network):
        for name, value in [
            *module.children("_parameters").items(),
            *module.children("_buffers").items(),
        ]:
            if value is None:
                continue
            if (
                not isinstance(value, np.ndarray)
                or prefix + name in seen
                or len(seen) >= MAX_VALUES
            ):
                raise UnreadablePickle(
                    f"weight {short(prefix + name)} is {short(value)}, or there twice, or one too"
                    " many: damaged"
                )
            seen.add(prefix + name)
            yield prefix + name, value


def _sources(network: ModuleRecord) -> Iterator[tuple[str, str]]:
    return (
        (module.class_name, module.source_sha256)
        for _, module in _walk(network)
        if module.source_sha256
    )


def _plane_axes(renderer: Any) -> np.ndarray | None:
    if not isinstance(renderer, ModuleRecord):
        raise UnreadablePickle(f"the renderer is {short(renderer)}: damaged")
    axes = renderer.state.get("plane_axes", renderer.children("_buffers").get("plane_axes"))
    if axes is None:
        return None
    if not isinstance(axes, np.ndarray) or axes.shape != (3, 3, 3):
        shape = list(axes.shape) if isinstance(axes, np.ndarray) else short(axes)
        raise UnreadablePickle(
            f"plane_axes is {shape} instead of three 3x3 matrices: a fork that is not supported"
        )
    return np.array(axes, np.float64)


def _record(value: Any) -> dict[str, Any]:
    """Settings that decide nothing: what can't be kept is left out."""
    kept: dict[str, Any] = {}
    for name, item in value.items() if isinstance(value, dict) else ():
        try:
            kept |= settings({name: item})
        except UnreadablePickle:
            continue
    return kept


def settings(value: Any) -> dict[str, Any]:
    """A copy of nested settings that holds only dictionaries, lists, strings and finite numbers.

    Raises:
        UnreadablePickle: for anything else, or for more than settings need.
    """
    if not isinstance(value, dict):
        raise UnreadablePickle(f"settings are {short(value)} instead of a dictionary: damaged")
    budget = [MAX_VALUES]
    return {str(name): _plain(item, name, budget, 0) for name, item in value.items()}


def _plain(value: Any, name: Any, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    if budget[0] < 0 or depth > MAX_DEPTH:
        raise UnreadablePickle("the settings are larger or deeper than those of any EG3D: damaged")
    if (
        value is None
        or isinstance(value, (bool, str))
        or (isinstance(value, int) and abs(value) < 1 << 63)
    ):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, np.ndarray) and value.size <= 64 and value.dtype.kind in "fiub":
        return _plain(value.tolist(), name, budget, depth + 1)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, key, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, name, budget, depth + 1) for item in value]
    kind = value.name if isinstance(value, Unused) else short(value)
    raise UnreadablePickle(f"setting {short(name)} is {kind}: unsupported, or damaged")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
