"""The search, with an objective that costs nothing."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.sweeps.search import Choice, Interval, Search

SPACE = {"rate": Interval(1e-4, 1e-1, log=True), "size": Interval(2, 9), "kind": Choice(("a", "b"))}


def value(trial) -> float:
    return (
        -abs(float(trial.values["rate"]) - 1e-2)
        - abs(int(trial.values["size"]) - 4)
        + (trial.values["kind"] == "b")
    )


def finish(search: Search, folder, space=SPACE, count: int = 1000) -> list[dict]:
    study = search.open(folder, space)
    while count > 0 and (trials := study.ask()):
        for trial in trials[:count]:
            study.tell(trial, value(trial))
        count -= len(trials)
    return [dict(trial.values) for trial in study.trials()]


@pytest.mark.parametrize("sampler", ["random", "bayesian"])
def test_a_search_stays_in_its_space_and_ends_after_its_trials(tmp_path, sampler):
    tried = finish(Search(sampler=sampler, trials=7, parallel=3), tmp_path)
    assert len(tried) == 7 and len({tuple(trial.items()) for trial in tried}) == 7
    assert all(
        1e-4 <= float(trial["rate"]) <= 1e-1
        and 2 <= int(trial["size"]) <= 9
        and trial["kind"] in "ab"
        for trial in tried
    )


def test_the_bayesian_search_finds_better_than_the_random_one(tmp_path):
    best = {}
    for sampler in ("random", "bayesian"):
        found = []
        for seed in range(3):
            search = Search(sampler=sampler, trials=40, seed=seed)
            finish(search, tmp_path / sampler / str(seed))
            found.append(search.open(tmp_path / sampler / str(seed), SPACE).best()[1])
        best[sampler] = sum(found)
    assert best["bayesian"] > best["random"]


def test_trials_without_a_result_come_first(tmp_path):
    search = Search(sampler="random", trials=5, parallel=2)
    proposed = search.open(tmp_path, SPACE).ask()
    assert search.open(tmp_path, SPACE).ask() == proposed
    again = search.open(tmp_path, SPACE)
    again.tell(proposed[0], 1.0)
    assert [trial.number for trial in again.ask()] == [1, 2]


def test_a_trial_that_two_processes_waited_for_is_told_twice(tmp_path):
    search = Search(sampler="random", trials=2)
    first, second = search.open(tmp_path, SPACE), search.open(tmp_path, SPACE)
    (trial,) = first.ask()
    assert second.ask() == [trial]
    first.tell(trial, 1.0)
    second.tell(trial, 1.0)
    assert [each.number for each in second.ask()] == [trial.number + 1]


def test_a_search_in_two_halves_tries_new_points_in_the_second(tmp_path):
    first = finish(Search(sampler="random", trials=3), tmp_path)
    both = finish(Search(sampler="random", trials=6), tmp_path)
    assert both[:3] == first and len({tuple(trial.items()) for trial in both}) == 6


def test_a_failed_trial_is_not_the_best_and_only_the_next_command_retries_it(tmp_path):
    search = Search(trials=2, direction="minimize")
    study = search.open(tmp_path, SPACE)
    assert study.best() is None
    (first,) = study.ask()
    study.tell(first, None)
    (second,) = study.ask()
    study.tell(second, 3.0)
    assert study.best() == (second, 3.0) and study.ask() == []
    again = search.open(tmp_path, SPACE)
    assert again.ask() == [first]
    again.tell(first, 2.0)
    assert again.best() == (first, 2.0) and again.ask() == []


def test_another_space_in_the_same_folder_is_refused(tmp_path):
    Search().open(tmp_path, SPACE).ask()
    with pytest.raises(ValueError, match="varies kind, rate, size, this command varies rate"):
        Search().open(tmp_path, {"rate": SPACE["rate"]}).ask()


RATE = {"rate": Interval(0.1, 1.0)}


@pytest.mark.parametrize(
    ("changed", "space", "says"),
    [
        ({"direction": "minimize"}, RATE, "maximizes psnr_novel, this command minimizes psnr_n"),
        ({"objective": "depth"}, RATE, "maximizes psnr_novel, this command maximizes depth"),
        ({}, {"decay": Interval(0.1, 1.0)}, "varies rate, this command varies decay"),
        ({}, {**RATE, "decay": Choice(("1", "2"))}, "varies rate, this command varies decay, rate"),
        ({}, {"rate": Interval(0.1, 2.0)}, r"rate from interval\(0.1,1.0\), this command draws ra"),
        ({}, {"rate": Interval(0.1, 1.0, log=True)}, r"rate from tag\(log,interval\(0.1,1.0\)\)"),
        ({}, {"rate": Choice(("0.1", "1.0"))}, r"rate from choice\(0.1,1.0\)"),
    ],
)
@pytest.mark.parametrize("scored", [False, True])
def test_another_search_in_the_same_folder_is_refused(tmp_path, changed, space, says, scored):
    study = Search(trials=3).open(tmp_path, RATE)
    (trial,) = study.ask()
    if scored or space == RATE:
        study.tell(trial, 15.0)
    with pytest.raises(ValueError, match=says):
        Search(trials=3, **changed).open(tmp_path, space)
    again = Search(trials=3).open(tmp_path, RATE)
    assert again.trials() == [trial] and len(again.ask()) == 1


def test_the_objective_may_change_until_a_trial_has_a_score(tmp_path):
    (trial,) = Search(trials=3).open(tmp_path, RATE).ask()
    wanted = Search(trials=3, objective="depth", direction="minimize")
    study = wanted.open(tmp_path, RATE)
    assert study.ask() == [trial]
    study.tell(trial, 2.0)
    (second,) = study.ask()
    study.tell(second, 3.0)
    assert wanted.open(tmp_path, RATE).best() == (trial, 2.0)
    for changed in ({}, {"objective": "depth"}, {"direction": "minimize"}):
        with pytest.raises(ValueError, match="minimizes depth, this command m"):
            Search(trials=3, **changed).open(tmp_path, RATE)


def journal(folder, direction="maximize") -> optuna.Study:
    """A study as versions began it that noted nothing in it."""
    storage = JournalStorage(JournalFileBackend(str(folder / "search.journal")))
    return optuna.create_study(study_name="search", storage=storage, direction=direction)


def test_a_search_that_an_earlier_version_began_is_continued_if_it_is_this_one(tmp_path):
    study = journal(tmp_path)
    space = {
        "rate": FloatDistribution(1e-4, 1e-1, log=True),
        "size": IntDistribution(2, 9),
        "kind": CategoricalDistribution(("a", "b")),
    }
    study.tell(study.ask(space), 1.0)
    for other, changed in (
        (RATE, {}),
        ({**SPACE, "size": Interval(2, 8)}, {}),
        ({**SPACE, "more": Interval(0, 1)}, {}),
        (SPACE, {"direction": "minimize"}),
    ):
        with pytest.raises(ValueError, match="the search in this folder"):
            Search(**changed).open(tmp_path, other)
    assert len(finish(Search(trials=3), tmp_path)) == 3
    with pytest.raises(ValueError, match="maximizes psnr_novel, this command maximizes depth"):
        Search(objective="depth").open(tmp_path, SPACE)


@pytest.mark.parametrize("begun", [False, True])
def test_a_trial_killed_while_it_was_drawn_is_replaced(tmp_path, begun):
    space = {"a": Interval(0.0, 1.0), "b": Interval(0.0, 1.0)}
    if begun:
        Search(trials=2).open(tmp_path, space)
        study = optuna.load_study(
            study_name="search",
            storage=JournalStorage(JournalFileBackend(str(tmp_path / "search.journal"))),
        )
    else:
        study = journal(tmp_path)
    study.ask().suggest_float("a", 0.0, 1.0)
    search = Search(sampler="random", trials=2).open(tmp_path, space)
    assert search.trials() == []
    while trials := search.ask():
        for trial in trials:
            assert set(trial.values) == {"a", "b"}
            search.tell(trial, 1.0)
    assert len(search.trials()) == len(search.scored()) == 2


def test_nothing_to_vary_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nothing varies"):
        Search().open(tmp_path, {})
