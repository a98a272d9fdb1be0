"""Runs a verb once for every cell of a sweep, continues a sweep that died, and tabulates what came
of it.

`trilift VERB -m KEY=a,b …` and `trilift VERB sweep=NAME` come here. Hydra says what the cells are
and launches them; each runs as a process of its own in runs/<verb>/<sweep>/<cell>. `--table` only
makes the tables of what is there.
"""

import functools
import itertools
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from pipeline.build.application import USER_ERRORS
from pipeline.build.configuration import VERSION_BASE, configuration_folder, instantiate, to_plain
from pipeline.runs.child_process import setting
from pipeline.sweeps.cell import Cell, Record, cell_name, fingerprint
from pipeline.sweeps.report import write_report
from pipeline.sweeps.results import last_scores
from pipeline.sweeps.running import run_cell
from pipeline.sweeps.search import Choice, Interval, Search

log = logging.getLogger("trilift.sweep")

MULTIRUN = ("-m", "--multirun")
TABLE = "--table"
WAIT_SECONDS = 2.0
GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def main() -> None:
    """`python -m pipeline.verbs.sweep VERB SETTINGS…`."""
    verb, *arguments = sys.argv[1:]
    settings = [argument for argument in arguments if argument not in (*MULTIRUN, TABLE)]
    try:
        with hydra.initialize_config_dir(
            str(configuration_folder()), version_base=VERSION_BASE, job_name=verb
        ):
            sys.exit(Sweep(verb, settings).run(only_table=TABLE in arguments))
    except (*USER_ERRORS, HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"trilift {verb}: {str(error).strip()}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write(f"trilift {verb}: stopped; the same command continues the sweep\n")
        sys.exit(130)


class Sweep:
    """A sweep of one verb: must be made where Hydra is initialised.

    Args:
        verb: which.
        settings: of the command line, swept ones among them.
    """

    def __init__(self, verb: str, settings: Sequence[str]) -> None:
        self.verb = verb
        self.master = _master(verb, settings)
        self.folder = Path(self.master.hydra.sweep.dir).absolute()
        told = {override.get_key_element(): override for override in self._told()}
        self.varied = {
            key: override for key, override in told.items() if override.is_sweep_override()
        }
        self.fixed = [
            str(override.input_line) for key, override in told.items() if key not in self.varied
        ]

    def _told(self) -> list[Override]:
        """What the sweep's file varies, then what the command line does: the later of two counts."""
        params = OmegaConf.to_container(
            self.master.hydra.sweeper.get("params") or OmegaConf.create({})
        )
        assert isinstance(params, dict)
        lines = [f"{key!s}={value!s}" for key, value in params.items()]
        task = list(self.master.hydra.overrides.task)
        return OverridesParser.create().parse_overrides([*lines, *task])

    def run(self, *, only_table: bool = False) -> int:
        """Runs what is left to run; the exit status: 0 if every cell is finished, 75 if some can be
        continued, 1 if some failed.
        """
        sweeper = self.master.hydra.sweeper
        if sweeper.get("_target_") == GRID:
            cells = list(self.grid())
            if not only_table:
                self.launch(cells)
            return write_report(self.folder, cells)
        settings = {key: value for key, value in to_plain(sweeper).items() if key != "params"}
        search: Search = instantiate(settings)
        return self.search(search, only_table=only_table)

    def grid(self) -> Iterator[Cell]:
        """Every combination of the values that vary."""
        for key, override in self.varied.items():
            if not override.is_discrete_sweep():
                raise ValueError(
                    f"{key} varies continuously: list its values, or search with"
                    " hydra/sweeper=search"
                )
        values = [
            [(key, str(value)) for value in override.sweep_string_iterator()]
            for key, override in self.varied.items()
        ]
        for varied in itertools.product(*values):
            yield self.cell(varied, cell_name(varied))

    def search(self, search: Search, *, only_table: bool) -> int:
        """Asks, runs, tells until all trials are told or some can't be finished now."""
        study = search.open(
            self.folder, {key: _part(override) for key, override in self.varied.items()}
        )
        while not only_table and (trials := study.ask()):
            cells = [
                self.cell(tuple(trial.values.items()), f"trial-{trial.number:04d}")
                for trial in trials
            ]
            self.launch(cells)
            for trial, cell in zip(trials, cells, strict=True):
                if cell.state in ("finished", "failed"):
                    study.tell(trial, self._score(cell, search))
            if not all(cell.state in ("finished", "failed") for cell in cells):
                break
        cells = [
            self.cell(tuple(trial.values.items()), f"trial-{trial.number:04d}")
            for trial in study.trials()
        ]
        status = write_report(
            self.folder,
            cells,
            quality=search.objective,
            more_is_better=search.direction == "maximize",
        )
        if best := study.best():
            log.info(
                "best of %d: %s %.6g with %s",
                len(cells),
                search.objective,
                best[1],
                _listed(best[0].values),
            )
        return status

    def _score(self, cell: Cell, search: Search) -> float | None:
        if cell.state == "failed":
            return None
        scores = last_scores(cell.folder)
        if search.objective not in scores:
            raise ValueError(
                f"{cell.folder} has no score {search.objective!r}, it has"
                f" {', '.join(sorted(scores)) or 'none'}"
            )
        return scores[search.objective]

    def cell(self, varied: Sequence[tuple[str, str]], name: str) -> Cell:
        """The run of these values."""
        folder = self.folder / name
        place = (setting("name", f"{self.folder.name}/{name}"), setting("paths.run", folder))
        overrides = (
            *self.fixed,
            *(f"{key}={value}" for key, value in varied),
            *place,
            "hydra.mode=RUN",
        )
        cell = Cell(self.verb, overrides, tuple(varied), folder)
        try:
            return replace(
                cell, fingerprint=fingerprint(to_plain(hydra.compose(self.verb, list(overrides))))
            )
        except (HydraException, OmegaConfBaseException) as error:
            return replace(cell, mistake=str(error).strip())

    def launch(self, cells: Sequence[Cell]) -> None:
        """Runs those that are not finished, each once; waits for those that another process is at,
        then runs what these left.
        """
        left = [cell for cell in cells if cell.mistake is None and cell.state != "finished"]
        for cell in (cell for cell in cells if cell.mistake):
            cell.write(Record("failed", "", list(cell.overrides), error=cell.mistake))
        log.info("%d of %d cells are finished; %s", len(cells) - len(left), len(cells), self.folder)
        while left:
            ready = [cell for cell in left if cell.state != "running"]
            if ready:
                self._hand_to_launcher(ready)
                left = [cell for cell in left if cell not in ready]
            else:
                log.info("waiting for another process that runs %s", _names(left))
                while all(cell.state == "running" for cell in left):
                    time.sleep(WAIT_SECONDS)
            left = [cell for cell in left if cell.state != "finished"]

    def _hand_to_launcher(self, cells: Sequence[Cell]) -> None:
        context = HydraContext(
            config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks(self.master)
        )
        task = functools.partial(_run, {cell.name: cell for cell in cells})
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=self.master
        )
        common = [
            setting("hydra.sweep.dir", self.folder),
            setting("++hydra.job.env_set.WANDB_RUN_GROUP", self.folder.name),
        ]
        launcher.launch(
            [
                [*cell.overrides, *common, setting("hydra.sweep.subdir", cell.name)]
                for cell in cells
            ],
            initial_job_idx=0,
        )


def _run(cells: Mapping[str, Cell], config: DictConfig) -> str:
    """What a launcher calls, here or on another machine, for the cell whose name Hydra's job has."""
    return run_cell(cells[HydraConfig.get().sweep.subdir])


def _master(verb: str, settings: Sequence[str]) -> DictConfig:
    """The configuration of the sweep itself, Hydra's own part included; logs go where the verb's
    do.
    """
    loader = GlobalHydra.instance().config_loader()
    master = loader.load_configuration(
        config_name=verb, overrides=list(settings), run_mode=RunMode.MULTIRUN
    )
    with open_dict(master):
        master.hydra.hydra_logging = master.hydra.job_logging
        master.hydra.sweep.dir = str(Path(master.hydra.sweep.dir).absolute())
    configure_log(master.hydra.job_logging)
    return master


def _part(override: Override) -> Choice | Interval:
    """What a setting may become: Hydra's own grammar of values."""
    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        return Interval(value.start, value.end, log="log" in value.tags)
    return Choice(tuple(str(each) for each in override.sweep_string_iterator()))


def _names(cells: Sequence[Cell]) -> str:
    return ", ".join(cell.name for cell in cells)


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


if __name__ == "__main__":
    main()
