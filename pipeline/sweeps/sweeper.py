"""Hydra's multirun for trainings: plug-in sweepers whose cells continue.

`trilift VERB -m KEY=a,b …` and `trilift VERB sweep=NAME` come here, see conf/sweep and
conf/hydra/sweeper. Each cell runs as a process of its own in runs/<verb>/<sweep>/<cell>, started by
the configured launcher. The same command skips finished cells, continues interrupted ones and
retries failed ones; at the end it tabulates the scores.

Every verb registers the sweepers, also to print its help: what loads torch is imported where a
sweep needs it.
"""

import functools
import importlib
import itertools
import logging
import os
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.runs.child_process import quoted, setting

from .cell import Cell, CellRecord, cell_name
from .earlier import changed_settings, earlier_cells
from .running import run_cell
from .search import Choice, Interval, Search, Trial

log = logging.getLogger("trilift.sweep")

WAIT_SECONDS = 2.0
USAGE_ERROR, INTERRUPTED = 2, 130


PLUGIN_MODULE = "hydra_plugins.trilift"
"""Hydra refuses sweepers from outside the namespace package hydra_plugins, registered or not."""


def register() -> None:
    """Makes the sweepers known to Hydra; needed before `hydra.main` starts a multirun."""
    try:
        importlib.import_module("hydra_plugins")
    except ImportError:  # the package exists only where another plug-in is installed
        package = ModuleType("hydra_plugins")
        package.__path__ = []
        sys.modules["hydra_plugins"] = package
    sys.modules[PLUGIN_MODULE] = sys.modules[__name__]
    for sweeper in (CellSweeper, SearchSweeper):
        Plugins.instance().register(sweeper)


class ContinuingSweeper(Sweeper):
    """What both sweepers share: settings of the command → cells → launcher.

    Args:
        params: what varies, by key, in Hydra's grammar; settings of the command line replace them.
        only_table: run nothing, tabulate what is there.
    """

    hydra_context: HydraContext
    config: DictConfig

    def __init__(self, *, params: Mapping[str, Any] | None = None, only_table: bool = False):
        self.params = dict(params or {})
        self.only_table = only_table

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra. Cells are processes of their own, so the task function isn't used."""
        self.hydra_context = hydra_context
        self.config = config
        self.verb = str(config.hydra.job.config_name)
        self.folder = Path(config.hydra.sweep.dir).absolute()

    def sweep(self, arguments: list[str]) -> None:
        """Runs what is left to run and tabulates all cells.

        Raises:
            SystemExit: 75 if some cells can be continued, 1 if some failed, 2 after an error of the
                user, which is one line; nothing if every cell is finished.
        """
        try:
            status = self._sweep(arguments)
        except (ValueError, OSError, HydraException, OmegaConfBaseException) as error:
            if os.environ.get("TRILIFT_DEBUG"):
                raise
            sys.stderr.write(f"trilift {self.verb}: {str(error).strip()}\n")
            status = USAGE_ERROR
        except KeyboardInterrupt:
            sys.stderr.write(f"trilift {self.verb}: stopped; the same command continues\n")
            status = INTERRUPTED
        if status:
            sys.exit(status)

    def _sweep(self, arguments: list[str]) -> int:
        lines = [f"{key}={value}" for key, value in self.params.items()]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = {
            override.get_key_element(): override
            for override in parser.parse_overrides([*lines, *arguments])
        }
        fixed = [str(o.input_line) for o in overrides.values() if not o.is_sweep_override()]
        self.fixed = [*self._search_path(), *fixed]
        return self.run({key: o for key, o in overrides.items() if o.is_sweep_override()})

    def _search_path(self) -> list[str]:
        """The setting by which a cell finds the configuration of the user's packages.

        Hydra doesn't count `--config-dir` and `hydra.searchpath` among the arguments of a sweep.
        """
        path = self.hydra_context.config_loader.get_search_path().get_path()
        folders = [place.path for place in path if place.provider == "command-line"]
        folders += self.config.hydra.searchpath
        return [f"hydra.searchpath=[{','.join(map(quoted, folders))}]"] if folders else []

    @abstractmethod
    def run(self, varied: Mapping[str, Override]) -> int:
        """Runs the cells of what varies; returns the exit status."""

    def cell(self, varied: Sequence[tuple[str, str]], name: str) -> Cell:
        """The cell with these values."""
        folder = self.folder / name
        overrides = (
            *self.fixed,
            *(f"{key}={value}" for key, value in varied),
            setting("name", f"{self.folder.name}/{name}"),
            setting("paths.run", folder),
            "hydra.mode=RUN",
        )
        cell = functools.partial(Cell, self.verb, overrides, tuple(varied), folder)
        try:
            return cell(configuration=self._compose(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            return cell(mistake=str(error).strip())

    def _compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        loader = self.hydra_context.config_loader
        composed = loader.load_sweep_config(self.config, list(overrides))
        job = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        plain = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items()}

    def launch(self, cells: Sequence[Cell]) -> None:
        """Runs every cell that isn't finished once, and waits for cells that another process runs;
        what these leave unfinished is run here.
        """
        left = [cell for cell in cells if cell.mistake is None and cell.state != "finished"]
        mistaken = [cell for cell in cells if cell.mistake]
        for cell in mistaken:
            self._note_mistake(cell)
        finished = len(cells) - len(left) - len(mistaken)
        log.info("%d of %d cells are finished; %s", finished, len(cells), self.folder)
        while left:
            ready = [cell for cell in left if cell.state != "running"]
            if ready:
                self._hand_to_launcher(ready)
                # A cell that another process took meanwhile is waited for.
                left = [cell for cell in left if cell not in ready or cell.state == "running"]
            else:
                names = ", ".join(cell.name for cell in left)
                log.info("waiting for another process that runs %s", names)
                while all(cell.state == "running" for cell in left):
                    time.sleep(WAIT_SECONDS)
            left = [cell for cell in left if cell.state != "finished"]

    @staticmethod
    def _note_mistake(cell: Cell) -> None:
        """Records why a cell doesn't compose; what it did before stays recorded."""
        before = cell.record() or CellRecord("new", "", [*cell.overrides])
        if before.state != "finished" and not cell.is_held():
            cell.write(replace(before, state="failed", error=cell.mistake))

    def report(self, cells: Sequence[Cell], **settings: Any) -> int:
        """Writes the tables of the cells; returns the exit status. See `report.write_report`."""
        from .report import write_report

        return write_report(self.folder, cells, **settings)

    def _without_race(self) -> DictConfig:
        """The configuration, with one folder for all of submitit's jobs on this machine.

        By default each has a folder named after its process (`%j`), which the submitting process
        makes after it has started the job: a job that is faster fails at its first log file.
        """
        config = self.config.copy()
        if config.hydra.launcher._target_.endswith("submitit_launcher.LocalLauncher"):
            config.hydra.launcher.submitit_folder = str(self.folder / ".submitit")
        return config

    def _hand_to_launcher(self, cells: Sequence[Cell]) -> None:
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            task_function=functools.partial(_run, {cell.name: cell for cell in cells}),
            config=self._without_race(),
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


class CellSweeper(ContinuingSweeper):
    """Every combination of the values that vary; see conf/hydra/sweeper/cells.yaml."""

    __module__ = PLUGIN_MODULE

    def run(self, varied: Mapping[str, Override]) -> int:
        """Runs the grid."""
        cells = list(self._grid(varied))
        if not self.only_table:
            self.launch(cells)
        return self.report(cells, earlier=earlier_cells(self.folder, cells))

    def _grid(self, varied: Mapping[str, Override]) -> Iterator[Cell]:
        for key, override in varied.items():
            if not override.is_discrete_sweep():
                raise ValueError(
                    f"{key} varies continuously: list its values, or search with"
                    " hydra/sweeper=search"
                )
        values = [
            [(key, str(value)) for value in override.sweep_string_iterator()]
            for key, override in varied.items()
        ]
        for combination in dict.fromkeys(itertools.product(*values)):
            yield self.cell(combination, cell_name(combination))


class SearchSweeper(ContinuingSweeper):
    """Random or Bayesian search; see conf/hydra/sweeper/search.yaml and `Search`."""

    __module__ = PLUGIN_MODULE

    def __init__(
        self,
        *,
        sampler: Literal["random", "bayesian"] = "bayesian",
        trials: int = 20,
        parallel: int = 1,
        objective: str = "psnr_novel",
        direction: Literal["maximize", "minimize"] = "maximize",
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
        only_table: bool = False,
    ):
        super().__init__(params=params, only_table=only_table)
        self.search = Search(
            sampler=sampler,
            trials=trials,
            parallel=parallel,
            objective=objective,
            direction=direction,
            seed=seed,
        )

    def run(self, varied: Mapping[str, Override]) -> int:
        """Runs trials until the search has as many as it should, or some can't be finished now.

        Raises:
            ValueError: earlier trials were of another search, or scored with other settings.
        """
        space = {key: _part(override) for key, override in varied.items()}
        study = self.search.open(self.folder, space)
        for trial in study.scored():
            _require_same_configuration(self._cell_of(trial))
        while not self.only_table and (trials := study.ask()):
            cells = [self._cell_of(trial) for trial in trials]
            self.launch(cells)
            for trial, cell in zip(trials, cells, strict=True):
                if cell.state in ("finished", "failed"):
                    study.tell(trial, self._score(cell))
            if not all(cell.state in ("finished", "failed") for cell in cells):
                break
        cells = [self._cell_of(trial) for trial in study.trials()]
        status = self.report(
            cells,
            quality=self.search.objective,
            more_is_better=self.search.direction == "maximize",
        )
        if best := study.best():
            trial, score = best
            values = ", ".join(f"{key}={value}" for key, value in trial.values.items())
            log.info(
                "best of %d: %s %.6g with %s", len(cells), self.search.objective, score, values
            )
        return status

    def _cell_of(self, trial: Trial) -> Cell:
        return self.cell(tuple(trial.values.items()), f"trial-{trial.number:04d}")

    def _score(self, cell: Cell) -> float | None:
        if cell.state == "failed":
            return None
        from .results import last_scores

        scores = last_scores(cell.folder)
        if self.search.objective not in scores:
            raise ValueError(
                f"{cell.folder} has no score {self.search.objective!r}, it has"
                f" {', '.join(sorted(scores)) or 'none'}: give hydra.sweeper.objective=SCORE (and"
                " hydra.sweeper.direction); what has been trained is taken as it is"
            )
        return scores[self.search.objective]


def _run(cells: Mapping[str, Cell], config: DictConfig) -> str:
    """The launcher's task, here or on another machine: the cell that its job's folder names."""
    return run_cell(cells[HydraConfig.get().sweep.subdir])


def _require_same_configuration(cell: Cell) -> None:
    """Refuses a scored trial that ran with another configuration (ValueError): a search scores each
    trial once, so it can't run again as a cell of a grid can.
    """
    if cell.mistake is not None:
        raise ValueError(cell.mistake)
    record = cell.record()
    if record is None or cell.state != "interrupted":
        return
    changes = changed_settings(record.overrides, cell.overrides) or [
        f"no setting of the command, but a file of the configuration; {cell.folder}/config.json"
        " holds what ran"
    ]
    raise ValueError(
        f"{cell.folder} was scored with another configuration (before → now):\n"
        + "".join(f"  {change}\n" for change in changes)
        + "Restore it, or give this sweep another folder (hydra.sweep.dir=…)."
    )


def _part(override: Override) -> Choice | Interval:
    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        return Interval(value.start, value.end, log="log" in value.tags)
    return Choice(tuple(str(each) for each in override.sweep_string_iterator()))
