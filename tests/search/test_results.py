"""What a search found, and whether another trial may start."""

import pytest

from tuneline.search.results import (
    SearchReport,
    TrialResult,
    common_error,
    free_places,
    may_start,
)


def trial(number: int, state, loss=None, seconds=0.0, error=""):
    return TrialResult(number, state, loss, {}, seconds, error)


TRIALS = (
    trial(0, "complete", 0.5, 60),
    trial(1, "interrupted"),
    trial(2, "stopped", 0.2, 5),
    trial(3, "waiting"),
    trial(4, "complete", 0.3, 120),
    trial(5, "failed", error="OutOfMemoryError: GPU"),
    trial(6, "running"),
)


def test_the_best_are_complete_trials_by_their_loss():
    report = SearchReport("lawyer-1", 9, TRIALS)
    assert [t.number for t in report.best()] == [4, 0]
    assert report.count("stopped", "failed") == 2


def test_interrupted_and_waiting_trials_have_not_used_their_place():
    assert free_places(TRIALS, 9) == 4
    assert free_places(TRIALS, 5) == 0


@pytest.mark.parametrize(
    ("elapsed_s", "limit_s", "may"),
    [(0, None, True), (9, 100, True), (10, 100, True), (11, 100, False), (100, 100, False)],
)
def test_a_trial_starts_where_the_usual_one_would_end_in_time(elapsed_s, limit_s, may: bool):
    assert may_start(TRIALS, elapsed_s, limit_s) is may  # usual: (60 + 120) / 2 = 90 s


def test_the_first_trial_starts_whatever_the_limit():
    assert may_start((), 0, 1)
    assert not may_start((), 2, 1)


def test_an_error_is_common_when_three_trials_fail_and_none_does_anything_else():
    failed = [trial(n, "failed", error=f"TrainingError: {n}") for n in range(3)]
    assert common_error(failed) == "TrainingError: 2"
    assert common_error(failed[:2]) is None
    assert common_error([*failed, trial(3, "stopped", 0.4)]) is None
