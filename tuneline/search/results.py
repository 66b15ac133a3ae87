"""What a search found, and what that means for the next trial. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["complete", "stopped", "failed", "interrupted", "running", "waiting"]
"""stopped: it was behind the others. failed: by an error of its own. interrupted: its process was
killed, and its place is tried again. waiting: such a place."""
ALL_FAILED_AFTER = 3
"""Failed trials, without any other, after which the cause is taken to be no trial's own."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial."""

    number: int
    """From 0."""
    state: State
    loss: float | None
    """Validation loss at its end; of a stopped one the last; None where none was measured."""
    values: Mapping[str, str | int | float]
    """Setting -> value, as in a `Space`."""
    seconds: float
    """Wall time; 0 until it ends."""
    error: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """All trials of a study."""

    study: str
    n_trials: int
    """Budget."""
    trials: tuple[TrialResult, ...]

    def best(self) -> tuple[TrialResult, ...]:
        """Complete trials, lowest validation loss first."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        return tuple(sorted(complete, key=_loss))

    def count(self, *states: State) -> int:
        """How many trials are in one of the states."""
        return sum(trial.state in states for trial in self.trials)


def _loss(trial: TrialResult) -> float:
    assert trial.loss is not None  # of a complete trial it never is
    return trial.loss


def free_places(trials: Sequence[TrialResult], budget: int) -> int:
    """Trials that may still start; an interrupted one has not used its place up."""
    used = sum(trial.state not in ("interrupted", "waiting") for trial in trials)
    return budget - used


def may_start(trials: Sequence[TrialResult], elapsed_s: float, limit_s: float | None) -> bool:
    """Whether a trial that takes as long as complete ones usually did ends within the limit."""
    if limit_s is None:
        return True
    took = [trial.seconds for trial in trials if trial.state == "complete"]
    usual_s = statistics.median(took) if took else 0.0
    return elapsed_s < limit_s and elapsed_s + usual_s <= limit_s


def common_error(trials: Sequence[TrialResult]) -> str | None:
    """The error of the last trial, where three or more failed and none did anything else."""
    failed = [trial for trial in trials if trial.state == "failed"]
    others = any(trial.state in ("complete", "stopped") for trial in trials)
    return failed[-1].error if len(failed) >= ALL_FAILED_AFTER and not others else None
