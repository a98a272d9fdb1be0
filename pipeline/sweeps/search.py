"""Random and Bayesian search with optuna's ask-and-tell interface.

The study's journal is in the sweep's folder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler


ATTRIBUTE = "search"
"""Of the study: the objective, the direction and the space of its trials."""


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
            ValueError: optuna isn't installed, the space is empty, or the study has another one, or
                scores by another objective or direction.
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
        distributions = {key: _distribution(part) for key, part in space.items()}
        self._require_same(study, _ranges(distributions))
        return Study(self, study, distributions)

    def _require_same(self, study: Any, space: Mapping[str, str]) -> None:
        """Compares a study with this search, and notes in it what it doesn't know of itself."""
        from optuna.trial import TrialState

        known = study.user_attrs.get(ATTRIBUTE)
        by = (known["objective"] if known else self.objective, _direction(study))
        if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            by = (self.objective, self.direction)  # nothing has been compared by the former ones
        now = list(_claims(self.objective, self.direction, space))
        for former in [known["space"]] if known else [space, *_recorded_spaces(study, space)]:
            before = _claims(*by, former)
            for was, wanted in zip(before, now, strict=False):  # other keys differ as such first
                if was != wanted:
                    raise ValueError(
                        f"the search in this folder {was}, this command {wanted}: give this sweep"
                        " another folder (hydra.sweep.dir=…), or the former settings again"
                    )
        noted = {"objective": self.objective, "direction": self.direction, "space": dict(space)}
        if known != noted:
            study.set_user_attr(ATTRIBUTE, noted)

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
        self._failed: set[int] = set()
        # optuna can't change the direction of a study that began with another one.
        self._sign = 1.0 if study.direction.name.lower() == search.direction else -1.0

    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers, but those that a kill left without a value for
        each key.
        """
        return self._drawn()

    def scored(self) -> list[Trial]:
        """Those that have a score."""
        from optuna.trial import TrialState

        return self._drawn(TrialState.COMPLETE)

    def ask(self) -> list[Trial]:
        """The next trials: first those without a result, but those that failed since `open`, then
        new ones; [] at the end.
        """
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self._is_whole(trial):  # killed while its values were drawn: nothing ran
                self._study.tell(trial.number, state=TrialState.FAIL)
        waiting = [t for t in self._drawn(TrialState.RUNNING) if t.number not in self._failed]
        drawn = len(self._drawn())
        for _ in range(min(self.search.parallel - len(waiting), self.search.trials - drawn)):
            waiting.append(_trial(self._study.ask(self._distributions)))
        return waiting[: self.search.parallel]

    def tell(self, trial: Trial, value: float | None) -> None:
        """Reports a trial's score; None if it failed: then it stays without a result, so that the
        next command retries it.
        """
        if value is None:
            self._failed.add(trial.number)
        else:
            # Another process may have been waiting for the same cell.
            self._study.tell(trial.number, self._sign * value, skip_if_finished=True)

    def best(self) -> tuple[Trial, float] | None:
        """The best trial so far and its score; None before the first."""
        from optuna.trial import TrialState

        if not self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return None
        best = self._study.best_trial
        return _trial(best), self._sign * float(best.value)

    def _drawn(self, *states: Any) -> list[Trial]:
        """Whole trials in these states; none: in any."""
        found = self._study.get_trials(deepcopy=False, states=states or None)
        return [_trial(trial) for trial in found if self._is_whole(trial)]

    def _is_whole(self, trial: Any) -> bool:
        return set(trial.params) == set(self._distributions)


def _recorded_spaces(study: Any, space: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The space of each trial of a study that an earlier version began.

    A trial without a result that lacks keys of `space` was killed while it was drawn.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False):
        drawn = _ranges(trial.distributions)
        yield {**space, **drawn} if trial.state == TrialState.RUNNING else drawn


def _direction(study: Any) -> str:
    """By which scores are compared; earlier versions noted none beside the study's own."""
    known = study.user_attrs.get(ATTRIBUTE, {})
    return str(known.get("direction", study.direction.name.lower()))


def _claims(objective: str, direction: str, space: Mapping[str, str]) -> Iterator[str]:
    """What a search does, in sentences without their subject."""
    yield f"{direction}s {objective}"
    yield f"varies {', '.join(sorted(space))}"
    for key in sorted(space):
        yield f"draws {key} from {space[key]}"


def _ranges(space: "Mapping[str, BaseDistribution]") -> dict[str, str]:
    """Distributions as Hydra's grammar writes them, by key."""
    return {key: _range(distribution) for key, distribution in space.items()}


def _range(distribution: Any) -> str:
    if hasattr(distribution, "choices"):
        return f"choice({','.join(map(str, distribution.choices))})"
    text = f"interval({distribution.low},{distribution.high})"
    return f"tag(log,{text})" if distribution.log else text


def _distribution(part: Choice | Interval) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choice):
        return CategoricalDistribution(part.values)
    if isinstance(part.low, int) and isinstance(part.high, int):
        return IntDistribution(part.low, part.high, log=part.log)
    return FloatDistribution(float(part.low), float(part.high), log=part.log)


def _trial(drawn: Any) -> Trial:
    return Trial(drawn.number, {key: str(value) for key, value in drawn.params.items()})
