"""Cells that earlier commands left in a sweep's folder: the tables hold them, too."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.markers import KEPT, RUNTIME, decisive, marked_keys
from pipeline.runs.run_folder import RunFolder, differences

from .cell import Cell, CellRecord, State, but_the_seed

OWN_KEYS = ("name", "paths.run")
NOT_GIVEN = "(not given)"


@dataclass(frozen=True)
class EarlierCell(Cell):
    """A cell that the present command doesn't name: its state and its configuration are what was
    recorded.
    """

    @property
    def state(self) -> State:
        """As recorded; "interrupted" after a kill."""
        record = self.record()
        if self.is_held():
            return "running"
        if record is None:
            return "new"
        return "interrupted" if record.state == "running" else record.state


def earlier_cells(folder: Path, cells: Sequence[Cell]) -> list[EarlierCell]:
    """The cells of a sweep's folder that aren't among `cells`, by name.

    What varies in one is each setting that differs from the ones that all of `cells` share, and
    whatever else its configuration has otherwise than the finished runs of those settings, so that
    seeds of another configuration never enter a mean with theirs.

    Raises:
        ValueError: a record is damaged.
    """
    names = {cell.name for cell in cells}
    shared, free = _shared(cells), _free(cells)
    first = {
        frozenset(but_the_seed(cell.varied)): recorded
        for cell in reversed(cells)
        if cell.state == "finished" and (recorded := _recorded(cell.folder)) is not None
    }
    found = []
    for file in sorted(folder.glob("*/cell.json")):
        if file.parent.name not in names:
            record = Cell("", (), (), file.parent).record()
            assert record is not None
            varied, configuration = _varied(record, shared), _recorded(file.parent)
            if free is not None and configuration is not None:
                # Two earlier commands may differ in a default, too: the first is a reference.
                like = first.setdefault(frozenset(but_the_seed(varied)), configuration)
                varied += tuple(_differences(like, configuration, free))
            found.append(EarlierCell("", (), varied, file.parent, configuration))
    return found


def _recorded(run: Path) -> dict[str, Any] | None:
    """The configuration of a run; None before it began."""
    try:
        return RunFolder(run).recorded()
    except FileNotFoundError:
        return None


def changed_settings(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """A line "key: before → now" for each setting that differs, but those of Hydra and of the
    cell's place.
    """
    former, present = dict(settings_of(before)), dict(settings_of(now))
    return [
        f"{key}: {former.get(key, NOT_GIVEN)} → {present.get(key, NOT_GIVEN)}"
        for key in former | present
        if former.get(key) != present.get(key)
    ]


def _shared(cells: Sequence[Cell]) -> dict[str, str]:
    """The settings that don't vary among the cells of the present command."""
    if not cells:
        return {}
    varied = {key for key, _ in cells[0].varied}
    return {key: value for key, value in settings_of(cells[0].overrides) if key not in varied}


def _varied(record: CellRecord, shared: dict[str, str]) -> tuple[tuple[str, str], ...]:
    settings = dict(settings_of(record.overrides))
    varied = {key: value for key, value in settings.items() if shared.get(key) != value}
    return (*varied.items(), *((key, NOT_GIVEN) for key in shared if key not in settings))


def _free(cells: Sequence[Cell]) -> tuple[str, ...] | None:
    """What decides no mean over seeds: the seed, and what the configuration marks so. None if no
    cell composes: recorded configurations have no markers.
    """
    for cell in cells:
        if cell.configuration is not None:
            return ("seed", *marked_keys(cell.configuration, RUNTIME, KEPT))
    return None


def _differences(
    like: dict[str, Any], configuration: dict[str, Any], free: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """What no setting of a command says: a default, or a file of the configuration."""
    for key, _, value in differences(decisive(like, free), decisive(configuration, free)):
        known = isinstance(value, dict | list | str | int | float | None)
        yield key, json.dumps(value) if known else NOT_GIVEN


def settings_of(overrides: Sequence[str]) -> list[tuple[str, str]]:
    """Keys and values but those of Hydra and of the cell's place."""
    pairs = [override.partition("=") for override in overrides]
    return [
        (key, value)
        for key, _, value in pairs
        if key not in OWN_KEYS and not key.lstrip("+~").startswith("hydra.")
    ]
