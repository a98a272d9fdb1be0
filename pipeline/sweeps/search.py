"""Random and Bayesian search: optuna is asked what to try and told what came of it. Its journal
lies in the sweep's folder.
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
    """One of some values, as they are written in a setting."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Interval:
    """A number between two, both included; its logarithm is uniform if `log`; whole numbers if both
    ends are.
    """

    low: float | int
    high: float | int
    log: bool = False


Space = Mapping[str, Choice | Interval]
"""What may be varied, by key."""


@dataclass(frozen=True)
class Trial:
    """One point of the space: key → value as it is written in a setting."""

    number: int
    values: Mapping[str, str]


class Search:
    """How the space is searched, see conf/hydra/sweeper/search.yaml.

    Args:
        sampler: "random", or "bayesian" (tree-structured Parzen estimator, optuna's TPE).
        trials: how many in all.
        parallel: how many are tried at once, before any of them is told.
        objective: the score of a run that counts: the last value of its curve `validation/…`.
        direction: whether more of it is better.
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
            raise ValueError(
                f"a search of {trials} trials, {parallel} at once: both must be positive"
            )
        self.sampler, self.trials, self.parallel, self.seed = sampler, trials, parallel, seed
        self.objective, self.direction = objective, direction

    def open(self, folder: Path, space: Space) -> "Study":
        """A study in a sweep's folder, new or continued.

        Raises:
            ValueError: optuna is missing, or there is nothing to vary.
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

    def _sampler(self, asked: int) -> "BaseSampler":
        """A continued search must not draw again what it drew first."""
        from optuna.samplers import RandomSampler, TPESampler

        seed = self.seed + 1_000_003 * asked
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
        """All that have been asked for, in the order of their numbers."""
        return [
            Trial(trial.number, _written(trial.params))
            for trial in self._study.get_trials(deepcopy=False)
        ]

    def ask(self) -> list[Trial]:
        """What to try next: first those that were asked for and never told, then new ones; [] when
        all is told.

        Raises:
            ValueError: what may be varied has changed since.
        """
        from optuna.trial import TrialState

        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in waiting:
            self._require_same_space(trial)
        asked = len(self._study.get_trials(deepcopy=False))
        for _ in range(min(self.search.parallel - len(waiting), self.search.trials - asked)):
            waiting.append(self._study.ask(self._distributions))
        return [
            Trial(trial.number, _written(trial.params)) for trial in waiting[: self.search.parallel]
        ]

    def tell(self, trial: Trial, value: float | None) -> None:
        """What came of it; None: it failed."""
        from optuna.trial import TrialState

        self._study.tell(trial.number, value, state=TrialState.FAIL if value is None else None)

    def best(self) -> tuple[Trial, float] | None:
        """The best so far and its value."""
        from optuna.trial import TrialState

        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return None
        best = self._study.best_trial
        return Trial(best.number, _written(best.params)), float(best.value)

    def _require_same_space(self, trial: Any) -> None:
        if set(trial.params) != set(self._distributions):
            raise ValueError(
                f"the search in progress varies {', '.join(sorted(trial.params))}, now it is to"
                f" vary {', '.join(sorted(self._distributions))}: give this sweep another folder"
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
