"""Studies in a real database, with trials that take no time."""

import math
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tuneline.errors import SearchError
from tuneline.search import study as studies
from tuneline.search.config import SearchConfig
from tuneline.search.space import Space, Value
from tuneline.search.trial import Outcome

SPACE = Space(
    choices={"rank": (8, 16, 32)},
    ranges={"learning_rate": (1e-5, 1e-2)},
    start={"rank": 16, "learning_rate": 2e-4, "dropout": 0.1},
)
EVERY = 10
"""Steps between measurements."""


@pytest.fixture(autouse=True)
def fast_heartbeats(monkeypatch):
    monkeypatch.setattr(studies, "HEARTBEAT_S", 1)
    monkeypatch.setattr(studies, "GRACE_S", 2)
    monkeypatch.setattr(studies, "POLL_S", 0.1)


def loss_of(values: dict[str, Value]) -> float:
    """Least at a learning rate of 1e-3."""
    return abs(math.log10(float(values["learning_rate"])) + 3)


def run(folder: Path, attempt: Callable, **settings):
    """Run a study of the name `lawyer`; returns its report."""
    search = SearchConfig(**{"trials": 6, **settings})
    study = studies.open_study("lawyer", folder, SPACE, search, EVERY)
    studies.run_trials(study, folder, SPACE, search, attempt)
    return studies.report(study, search)


def attempt(number: int, values: dict[str, Value], is_behind) -> Outcome:
    for step in (10, 20, 30):
        if is_behind(loss_of(values), step):
            return Outcome(loss_of(values), True)
    return Outcome(loss_of(values), False)


def test_the_first_trial_is_the_profile_and_the_budget_is_kept(tmp_path: Path):
    report = run(tmp_path, attempt)
    assert [t.number for t in report.trials] == list(range(6))
    assert report.trials[0].values == {"rank": 16, "learning_rate": 2e-4}
    assert report.best()[0].loss == min(loss_of(dict(t.values)) for t in report.trials)
    assert len({t.values["learning_rate"] for t in report.trials}) == 6


def test_a_search_that_is_run_again_goes_on_and_a_larger_budget_adds_trials(tmp_path: Path):
    first = run(tmp_path, attempt)
    assert run(tmp_path, attempt) == first
    more = run(tmp_path, attempt, trials=8)
    assert more.trials[:6] == first.trials
    assert len(more.trials) == 8


def test_the_same_seed_tries_the_same_values_and_another_one_others(tmp_path: Path):
    def tried(name: str, seed: int):
        report = run(tmp_path / name, attempt, seed=seed, trials=8)
        return [dict(t.values) for t in report.trials]

    assert tried("a", 0) == tried("b", 0)
    assert tried("a", 0)[1:] != tried("c", 1)[1:]


def test_trials_that_are_behind_are_stopped_after_the_first_full_ones(tmp_path: Path):
    asked: dict[int, list[int]] = {}

    def worse_and_worse(number: int, values: dict[str, Value], is_behind) -> Outcome:
        for step in (10, 20, 30, 40):
            asked.setdefault(number, []).append(step)
            if is_behind(float(number), step):
                return Outcome(float(number), True)
        return Outcome(float(number), False)

    report = run(tmp_path, worse_and_worse, full_trials=3)
    assert [t.state for t in report.trials] == ["complete"] * 3 + ["stopped"] * 3
    assert asked[3] == [10, 20], "two measurements warm up, then it is above the median of 0, 1, 2"
    assert report.trials[3].loss == 3.0


def test_a_trial_that_fails_has_used_its_place_and_says_why(tmp_path: Path):
    def second_fails(number: int, values: dict[str, Value], is_behind) -> Outcome:
        if number == 1:
            raise MemoryError("the batch\nis too large")
        return attempt(number, values, is_behind)

    report = run(tmp_path, second_fails)
    assert len(report.trials) == 6
    assert report.trials[1].state == "failed"
    assert report.trials[1].error == "MemoryError: the batch is too large"


def test_a_search_whose_trials_all_fail_stops_early(tmp_path: Path):
    def fails(number: int, values: dict[str, Value], is_behind) -> Outcome:
        raise ValueError("no such module")

    with pytest.raises(SearchError, match=r"every trial failed, .* ValueError: no such module"):
        run(tmp_path, fails)


def test_a_loss_that_is_no_number_does_not_end_the_search(tmp_path: Path):
    def diverges(number: int, values: dict[str, Value], is_behind) -> Outcome:
        is_behind(math.nan, 10)
        return Outcome(math.nan, True) if number == 1 else Outcome(1.0, False)

    report = run(tmp_path, diverges)
    assert [t.state for t in report.trials].count("complete") == 5
    assert (report.trials[1].state, report.trials[1].loss) == ("stopped", None)


def test_an_interrupted_trial_is_tried_again_with_its_values(tmp_path: Path):
    def interrupted(number: int, values: dict[str, Value], is_behind) -> Outcome:
        if number == 2:
            raise KeyboardInterrupt
        return attempt(number, values, is_behind)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted)
    report = run(tmp_path, attempt)
    assert report.trials[2].state == "interrupted"
    assert report.trials[3].values == report.trials[2].values
    assert report.count("complete", "stopped") == 6


def _run_and_hang(folder: str, at: int) -> None:
    """Runs trials and hangs in the one with this number."""

    def hangs(number: int, values: dict[str, Value], is_behind) -> Outcome:
        if number == at:
            is_behind(0.5, 10)
            (Path(folder) / "hangs").touch()
            time.sleep(600)
        return attempt(number, values, is_behind)

    studies.HEARTBEAT_S, studies.GRACE_S, studies.POLL_S = 1, 2, 0.1
    run(Path(folder), hangs)


def _run(folder: str) -> None:
    def slow(number: int, values: dict[str, Value], is_behind) -> Outcome:
        time.sleep(0.3)
        return attempt(number, values, is_behind)

    run(Path(folder), slow, trials=8)


def _start(target: Callable, *arguments) -> multiprocessing.Process:
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    process.start()
    return process


def test_the_place_of_a_killed_trial_is_tried_again_with_its_values_and_measurements(
    tmp_path: Path,
):
    process = _start(_run_and_hang, str(tmp_path), 2)
    while not (tmp_path / "hangs").exists():
        assert process.is_alive()
        time.sleep(0.05)
    process.kill()
    process.join()

    report = run(tmp_path, attempt)
    assert report.trials[2].state == "interrupted"
    again = next(t for t in report.trials[3:] if t.values == report.trials[2].values)
    assert again.state in ("complete", "stopped")
    assert report.count("complete", "stopped") == 6
    assert report.count("running", "waiting") == 0


def test_two_processes_share_the_trials_of_one_study(tmp_path: Path):
    processes = [_start(_run, str(tmp_path)) for _ in range(2)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    search = SearchConfig(trials=8)
    study = studies.open_study("lawyer", tmp_path, SPACE, search, EVERY)
    trials = study.get_trials()
    assert len(trials) == 8, "neither more nor fewer than the budget"
    assert len({t.params["learning_rate"] for t in trials}) == 8
    spans = [(t.datetime_start, t.datetime_complete) for t in trials]
    overlaps = [a for a in spans for b in spans if a is not b and a[0] < b[0] < a[1]]
    assert overlaps, "trials ran at the same time"


def test_a_process_that_was_silent_too_long_finds_its_place_taken_and_goes_on(tmp_path: Path):
    search = SearchConfig(trials=4)

    def loses_its_place(number: int, values: dict[str, Value], is_behind) -> Outcome:
        if number == 1:
            other = studies.open_study("lawyer", tmp_path, SPACE, search, EVERY)
            other.tell(1, state=_failed())
        return attempt(number, values, is_behind)

    report = run(tmp_path, loses_its_place, trials=4)
    assert report.trials[1].state == "interrupted"
    assert report.count("complete", "stopped") == 4


def _failed():
    from optuna.trial import TrialState

    return TrialState.FAIL


def test_no_trial_starts_that_would_likely_end_too_late(tmp_path: Path):
    def slow(number: int, values: dict[str, Value], is_behind) -> Outcome:
        time.sleep(2)
        return attempt(number, values, is_behind)

    report = run(tmp_path, slow, trials=50, minutes=0.15)
    assert 1 <= len(report.trials) <= 4, "9 s hold four trials of 2 s, and not a fifth"


def test_a_database_for_all_studies_can_be_named(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(studies.STORAGE, f"sqlite:///{tmp_path}/all.db")
    run(tmp_path / "a", attempt, trials=1)
    assert (tmp_path / "all.db").is_file()
    assert not (tmp_path / "a" / "study.db").exists()
