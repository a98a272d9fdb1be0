"""Markers in a configuration: keys that don't determine the result of a run.

Beside the keys of any node there may be

    _runtime_: [threads, log_every]    # never changes a result
    _resumable_: [max_steps]           # decides the result, but may change when a run continues
    _kept_: [kernels]                  # chosen when a run begins, kept when it continues: changes
                                       # a result by rounding only

with dotted names of keys below that node. A key that no marker names determines the result: with
another value, it is another run, cell of a sweep, evaluation or set of shards. Markers are removed
before anything is built or stored.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

RUNTIME: Final = "_runtime_"
RESUMABLE: Final = "_resumable_"
KEPT: Final = "_kept_"
MARKERS: Final = (RUNTIME, RESUMABLE, KEPT)

ADDED: dict[str, Any] = {
    "kernels": "readable",
    "runtime": "torch",
    "bfloat16": False,
    "optimizer.muon": False,
    "data.world": "puppets",
    "surface": None,
    "metrics.identity_distance": None,
    "metrics.shift_tolerant_lpips": None,
    "suite.manifest_file": None,
    "suite.track": False,
    "suite.protocol": None,
    "sampler.latents.mixing": 0,
}
"""Dotted keys that runs of earlier versions lack, with the value that repeats their behaviour."""


def marked_keys(configuration: Any, *markers: str) -> tuple[str, ...]:
    """The dotted keys that markers name.

    Args:
        configuration: plain values with their markers.
        *markers: some of `MARKERS`; none: all.
    """
    return tuple(_marked(configuration, markers or MARKERS, ""))


def without_markers(configuration: Any) -> Any:
    """Plain values without any marker, at any depth."""
    if isinstance(configuration, dict):
        return {
            key: without_markers(value)
            for key, value in configuration.items()
            if key not in MARKERS
        }
    if isinstance(configuration, list):
        return [without_markers(value) for value in configuration]
    return configuration


def with_markers(plain: Any, marked: Any) -> Any:
    """Plain values with the markers of another configuration, at the same places."""
    if not isinstance(plain, dict) or not isinstance(marked, dict):
        return plain
    return {key: with_markers(value, marked.get(key)) for key, value in plain.items()} | {
        marker: marked[marker] for marker in MARKERS if marker in marked
    }


def decisive(configuration: dict[str, Any], free: Sequence[str]) -> dict[str, Any]:
    """The part of a configuration that determines the result.

    Without the keys `free` and all below them, and without the keys of `ADDED` whose value repeats
    the behaviour of earlier versions.
    """
    return dict(_decisive(configuration, tuple(free), ""))


def is_below(key: str, prefixes: Sequence[str]) -> bool:
    """Whether a dotted key is one of `prefixes` or lies below one."""
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _decisive(node: Any, free: tuple[str, ...], path: str) -> Any:
    if not isinstance(node, dict):
        return node
    return {
        key: _decisive(value, free, inner)
        for key, value in node.items()
        if (inner := _join(path, key)) not in free
        and not (inner in ADDED and ADDED[inner] == value)
    }


def _marked(node: Any, markers: Sequence[str], path: str) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    for marker in markers:
        yield from (_join(path, key) for key in node.get(marker) or ())
    for key, value in node.items():
        yield from _marked(value, markers, _join(path, key))


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
