"""Random and Bayesian search with optuna's ask-and-tell interface.

The study's journal is in the sweep's folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Choice:
    """A categorical value, as written in a setting."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Interval:
    """A number in [low, high], uniform or, with `log`, log-uniform; an integer if both ends are."""

    low: float | int
    high: float | int
    log: bool = False


Space = Mapping[str, Choice | Interval]
"""The search space, by key."""


@dataclass(frozen=True)
class Trial:
    """One point of the space: key → value as written in a setting."""

    number: int
    values: Mapping[str, str]


class Search:
    """Settings of a search, see conf/hydra/sweeper/search.yaml.

    Args:
        sampler: "random", or "bayesian" (optuna's tree-structured Parzen estimator, TPE).
        trials: number in all.
        parallel: trials at once; the sampler knows none of their scores yet.
        objective: a score of the runs: the last value of the curve `validation/<objective>`.
        direction: "maximize" or "minimize".
        seed: of the sampler.
    """

    def __init__(
        self,
        *,
        sampler: Literal["random", "bayesian"] = "bayesian",
        trials: int = 20,
        parallel: int = 1,
        objective: str = "psnr_novel",
        direction: Literal["maximize", "minimize"] = "maximize",
        seed: int = 0,
    ) -> None:
        if sampler not in ("random", "bayesian"):
            raise ValueError(f"sampler is {sampler!r}: take random or bayesian")
        if direction not in ("maximize", "minimize"):
            raise ValueError(f"direction is {direction!r}: take maximize or minimize")
        if trials < 1 or parallel < 1:
            raise ValueError(f"got trials={trials} and parallel={parallel}: both must be positive")
        self.sampler, self.trials, self.parallel, self.seed = sampler, trials, parallel, seed
        self.objective, self.direction = objective, direction

    def open(self, folder: Path, space: Space) -> "Study":
        """A study in a sweep's folder, new or continued.

        Raises:
            ValueError: optuna isn't installed, or the space is empty.
        """
        if not space:
            raise ValueError(
                "nothing varies: give hydra.sweeper.params (or KEY=…) as interval(low,high),"
                " choice(a,b) or range(a,b)"
            )
        try:
            import optuna
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend
        except ImportError as error:
            raise ValueError("a search needs optuna: pip install 'trilift[sweep]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(folder / "search.journal")))
        study = optuna.create_study(
            study_name="search", storage=storage, load_if_exists=True, direction=self.direction
        )
        study.sampler = self._sampler(len(study.get_trials(deepcopy=False)))
        return Study(self, study, {key: _distribution(part) for key, part in space.items()})

    def _sampler(self, drawn: int) -> "BaseSampler":
        from optuna.samplers import RandomSampler, TPESampler

        seed = self.seed + 1_000_003 * drawn  # a continued search draws new points
        return (
            RandomSampler(seed=seed)
            if self.sampler == "random"
            else TPESampler(seed=seed, constant_liar=self.parallel > 1)
        )


class Study:
    """A search in progress; see `Search.open`."""

    def __init__(
        self, search: Search, study: Any, distributions: "Mapping[str, BaseDistribution]"
    ) -> None:
        self.search = search
        self._study = study
        self._distributions = dict(distributions)

    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers."""
        return [
            Trial(trial.number, _written(trial.params))
            for trial in self._study.get_trials(deepcopy=False)
        ]

    def ask(self) -> list[Trial]:
        """The next trials: first those without a result, then new ones; [] at the end.

        Raises:
            ValueError: the space differs from that of earlier trials.
        """
        from optuna.trial import TrialState

        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in waiting:
            self._require_same_space(trial)
        drawn = len(self._study.get_trials(deepcopy=False))
        for _ in range(min(self.search.parallel - len(waiting), self.search.trials - drawn)):
            waiting.append(self._study.ask(self._distributions))
        return [
            Trial(trial.number, _written(trial.params)) for trial in waiting[: self.search.parallel]
        ]

    def tell(self, trial: Trial, value: float | None) -> None:
        """Reports a trial's score; None if it failed."""
        from optuna.trial import TrialState

        self._study.tell(trial.number, value, state=TrialState.FAIL if value is None else None)

    def best(self) -> tuple[Trial, float] | None:
        """The best trial so far and its score; None before the first."""
        from optuna.trial import TrialState

        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return None
        best = self._study.best_trial
        return Trial(best.number, _written(best.params)), float(best.value)

    def _require_same_space(self, trial: Any) -> None:
        if set(trial.params) != set(self._distributions):
            raise ValueError(
                f"the search in this folder varies {', '.join(sorted(trial.params))}, this command"
                f" varies {', '.join(sorted(self._distributions))}: give this sweep another folder"
                " (hydra.sweep.dir=…)"
            )


def _distribution(part: Choice | Interval) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(part.values)
    if isinstance(part.low, int) and isinstance(part.high, int):
        return IntDistribution(part.low, part.high, log=part.log)
    return FloatDistribution(float(part.low), float(part.high), log=part.log)


def _written(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in parameters.items()}
