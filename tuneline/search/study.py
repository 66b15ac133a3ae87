"""The border to Optuna: a study in a database that several processes share and that survives them.

Each process writes a heartbeat while it runs a trial. A trial without one for `GRACE_S` is marked
failed, and its place waits to be tried again with the same values.
"""

import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuneline.errors import SearchError
from tuneline.progress import Progress, silent
from tuneline.search.config import SearchConfig
from tuneline.search.results import (
    SearchReport,
    State,
    TrialResult,
    common_error,
    free_places,
    may_start,
)
from tuneline.search.space import Space, Value
from tuneline.search.trial import IsBehind, Outcome

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

STORAGE = "TUNELINE_SEARCH_STORAGE"
"""Environment variable with the URL of a database for all studies; unset: SQLite files."""
HEARTBEAT_S = 10
GRACE_S = 60
POLL_S = 2.0
ERROR = "error"
"""Attribute of a trial that failed by itself."""

Attempt = Callable[[int, dict[str, Value], IsBehind], Outcome]
"""Called with a trial's number and values, and what to ask after each measurement."""


def open_study(
    name: str, folder: Path, space: Space, search: SearchConfig, measured_every: int
) -> "Study":
    """The study of this name, begun with the profile's own values where there is none.

    Args:
        name: Identifies what is searched: data, base model, settings, code.
        folder: Of the study; all its processes see the same one.
        space: What is tried.
        search: How.
        measured_every: Steps between two validation losses of a trial.
    """
    import optuna

    optuna.logging.disable_default_handler()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "study.lock"):
        study = optuna.create_study(
            study_name=name,
            storage=_storage(folder),
            direction="minimize",
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=search.full_trials, n_warmup_steps=2 * measured_every
            ),
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            searched = {*space.choices, *space.ranges}
            study.enqueue_trial({k: v for k, v in space.start.items() if k in searched})
    return study


def _storage(folder: Path) -> "RDBStorage":
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback

    url = os.environ.get(STORAGE) or f"sqlite:///{folder / 'study.db'}"
    waits = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    with _experimental():
        return RDBStorage(
            url,
            engine_kwargs=waits,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                inherit_intermediate_values=True
            ),
        )


@contextmanager
def _experimental() -> Iterator[None]:
    """Heartbeats have been called experimental since Optuna 2.9."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def run_trials(
    study: "Study",
    folder: Path,
    space: Space,
    search: SearchConfig,
    attempt: Attempt,
    progress: Progress = silent,
) -> None:
    """Run trials until the budget is used up, beside other processes that do the same.

    Where only trials of others are left, it waits long enough to know whether they live.

    Args:
        study: From `open_study`.
        folder: The study's.
        space: What is tried.
        search: Budget and seed.
        attempt: Runs one trial.
        progress: Told the trials that have ended, of the budget.

    Raises:
        SearchError: The first trials all failed.
    """
    started, waited_s = time.monotonic(), 0.0
    limit_s = None if search.minutes is None else 60 * search.minutes
    claim = FileLock(folder / "claim.lock")
    while True:
        claim.acquire()  # until a trial has its place, so that no two processes take the last one
        try:
            trials = _live_trials(study, search, progress)
            if not may_start(trials, time.monotonic() - started, limit_s):
                return
            if free_places(trials, search.trials) > 0:
                _run_one(study, space, search, attempt, claim)
                waited_s = 0.0
                continue
        finally:
            claim.release()
        if waited_s > GRACE_S + HEARTBEAT_S or not any(t.state == "running" for t in trials):
            return
        time.sleep(POLL_S)
        waited_s += POLL_S


def _live_trials(
    study: "Study", search: SearchConfig, progress: Progress
) -> tuple[TrialResult, ...]:
    """The trials, once those of dead processes are marked as such."""
    from optuna.storages import fail_stale_trials

    with _experimental():
        fail_stale_trials(study)
    trials = results(study)
    done = sum(trial.state in ("complete", "stopped", "failed") for trial in trials)
    progress(min(done, search.trials), search.trials)
    if error := common_error(trials):
        raise SearchError(f"every trial failed, the last one with: {error}")
    return trials


def _run_one(
    study: "Study", space: Space, search: SearchConfig, attempt: Attempt, claim: FileLock
) -> None:
    """Run the next trial; the claim is released as soon as the trial has its number."""
    import optuna

    seed = search.seed + len(study.get_trials(deepcopy=False))  # another one for every trial
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=search.full_trials)

    def objective(trial: "Trial") -> float:
        claim.release()
        return _evaluate(study, trial, space, attempt)

    try:
        study.optimize(objective, n_trials=1, catch=(Exception,))
    except ValueError as error:
        # Errors of trials are caught: this is Optuna, told how a trial ended that has ended before.
        log.warning(
            "search: %s This process was silent for too long; its place is tried again.", error
        )


def _evaluate(study: "Study", trial: "Trial", space: Space, attempt: Attempt) -> float:
    import optuna

    values = _suggest(trial, space)
    known = _measured(study, trial.number)

    def is_behind(loss: float, step: int) -> bool:
        if step not in known:
            trial.report(loss, step)
        return trial.should_prune()

    try:
        outcome = attempt(trial.number, values, is_behind)
    except KeyboardInterrupt:
        study.enqueue_trial(values)
        raise
    except optuna.exceptions.UpdateFinishedTrialError:
        raise
    except Exception as error:
        trial.set_user_attr(ERROR, " ".join(f"{type(error).__name__}: {error}".split())[:500])
        raise
    if outcome.is_stopped:
        raise optuna.TrialPruned(f"validation loss {outcome.loss:.4f}")
    return outcome.loss


def _suggest(trial: "Trial", space: Space) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, choices in space.choices.items():
        value: Any = trial.suggest_categorical(name, list(choices))
        values[name] = value
    for name, (low, high) in space.ranges.items():
        values[name] = trial.suggest_float(name, low, high, log=True)
    return values


def _measured(study: "Study", number: int) -> frozenset[int]:
    """Steps whose loss is known from the killed trial that this one goes on from."""
    trials = study.get_trials(deepcopy=False)
    return frozenset(trials[number].intermediate_values)


def results(study: "Study") -> tuple[TrialResult, ...]:
    """Every trial in the order of its number."""
    return tuple(_result(trial) for trial in study.get_trials(deepcopy=False))


def report(study: "Study", search: SearchConfig) -> SearchReport:
    """The study as it is now."""
    return SearchReport(study.study_name, search.trials, results(study))


def _result(trial: "FrozenTrial") -> TrialResult:
    error = str(trial.user_attrs.get(ERROR, ""))
    return TrialResult(
        number=trial.number,
        state=_state(trial.state.name, error),
        loss=_loss(trial),
        values=dict(trial.params),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        error=error,
    )


def _state(name: str, error: str) -> State:
    if name == "FAIL":
        return "failed" if error else "interrupted"
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "stopped", "RUNNING": "running"}
    return states.get(name, "waiting")


def _loss(trial: Any) -> float | None:
    losses = trial.intermediate_values
    value = losses[max(losses)] if trial.value is None and losses else trial.value
    return value if value is not None and math.isfinite(value) else None
