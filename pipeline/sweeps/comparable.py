"""Whether the cells of a table differ in what it compares, and in nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.runs.markers import decisive, is_below
from pipeline.runs.run_folder import RunFolder, difference_lines

from .earlier import changed_settings, settings_of

COMPARED = ("experiment", "seed", "sweep")
FREE = (
    "name", "paths", "trust", "logger", "stop", "profiler", "dry_run", "hours", "machine",
    "replay", "replay_student", "kernels",
    "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.threads",
    "trainer.overlap", "trainer.log_every",
    "callbacks.preview", "callbacks.state",
    "sampler.reference_rendering.max_points", "sampler.novel_rendering.max_points",
    "sampler.identity_cache.memory_gb",
)  # fmt: skip
"""What distill's configuration marks as of no consequence for a result but by rounding: recorded
configurations have no markers (`pipeline.runs.markers`)."""


def require_comparable(cells: Sequence[tuple[Path, str, Sequence[str]]]) -> None:
    """Checks that a mean over seeds is of one configuration, and that experiments differ only as
    they say themselves.

    Cells of one experiment must have had the same configuration but for the seed. Of different
    experiments, a setting that a command gave must have had the same value in all that have such a
    setting: without a stage there are no steps of it. What no command gave, the experiments decide.
    A cell without a recorded configuration is passed over.

    Args:
        cells: folder, experiment, and the settings of the last attempt.

    Raises:
        ValueError: some differ otherwise; a line names two, those below it the settings.
    """
    found = [
        (folder, experiment, configuration, _given(overrides))
        for folder, experiment, overrides in cells
        if (configuration := _configuration(folder)) is not None
    ]
    given = sorted({key for *_, settings in found for key in settings})
    first: dict[str, tuple[Path, dict[str, Any]]] = {}
    wrong: list[str] = []
    for folder, experiment, configuration, settings in found:
        if experiment in first:
            known, before = first[experiment]
            lines = difference_lines(before, configuration)
        else:
            known, _, before, former = found[0]
            first[experiment] = folder, configuration
            lines = [
                line
                for key in given
                for line in (
                    _differing(key, before, configuration)
                    if any(_at(key, each) is not None for _, _, each, _ in found)
                    else changed_settings(_lines(key, former), _lines(key, settings))
                )
            ]
        if lines:
            wrong += [f"{known} → {folder}:", *(f"  {line}" for line in lines)]
    if wrong:
        raise ValueError("\n".join(wrong))


def _configuration(folder: Path) -> dict[str, Any] | None:
    """What decided the result of a cell, but the seed; None if it isn't recorded."""
    try:
        return decisive(RunFolder(folder).recorded(), (*FREE, "seed"))
    except FileNotFoundError:
        return None


def _given(overrides: Sequence[str]) -> dict[str, str]:
    """What a command gave, by dotted key; a group's by the place of its option."""
    given = {
        key.lstrip("+~").rpartition("@")[2].replace("/", "."): value
        for key, value in settings_of(overrides)
    }
    return {
        key: value
        for key, value in given.items()
        if key not in COMPARED and not is_below(key, FREE)
    }


def _lines(key: str, given: Mapping[str, str]) -> list[str]:
    return [f"{key}={given[key]}"] if key in given else []


def _differing(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    before, now = _at(key, one), _at(key, other)
    return [] if before is None or now is None else difference_lines(before, now, key)


def _at(key: str, configuration: Mapping[str, Any]) -> Any:
    """The value at a dotted key; None where there is none."""
    node: Any = configuration
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node
