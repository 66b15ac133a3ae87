"""Trials are real trainings of the tiny model; what they leave behind is their outcome."""

import math
from pathlib import Path

import pytest

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef
from tuneline.errors import KilledError, TrainingError
from tuneline.machine import this_machine
from tuneline.records import Record, write_records
from tuneline.search.space import for_trials
from tuneline.search.trial import Bench, Outcome, run_trial, trial_key

CONFIG = for_trials(TRAINING, 32, measurements=4)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the library may catch it."""


@pytest.fixture
def bench(tiny_model: BaseModelRef, records: list[Record], tmp_path: Path) -> Bench:
    write_records(tmp_path / "train.parquet", records[:32])
    write_records(tmp_path / "validation.parquet", records[32:])
    return Bench(tiny_model, tmp_path, this_machine(), tmp_path / "trials", keeps_best=False)


def folders(bench: Bench) -> list[Path]:
    return [path for path in bench.folder.iterdir() if path.is_dir()]


def never(loss: float, step: int) -> bool:
    return False


def test_a_trial_is_measured_evenly_and_ends_with_the_loss_of_its_weights(bench: Bench):
    measured: dict[int, float] = {}

    def is_behind(loss: float, step: int) -> bool:
        measured[step] = loss
        return step == CONFIG.max_steps  # the end is the end

    outcome = run_trial(bench, CONFIG, is_behind, lambda metrics, step: None)
    assert list(measured) == [3, 6, 9, 12]
    assert outcome == Outcome(measured[12], False)
    assert measured[12] < measured[3]
    assert not folders(bench)


def test_a_trial_that_is_behind_stops_there_and_leaves_nothing(bench: Bench):
    steps: list[int] = []

    def log_metrics(metrics: dict[str, float], step: int) -> None:
        steps.append(step)

    outcome = run_trial(bench, CONFIG, lambda loss, step: step == 6, log_metrics)
    assert outcome.is_stopped
    assert max(steps) == 6, "TRL lets the decision through at once"
    assert math.isfinite(outcome.loss)
    assert not folders(bench)


@pytest.mark.slow
def test_a_trial_in_processes_of_its_own_stops_with_all_of_them(bench: Bench):
    import psutil

    before = set(psutil.Process().children(recursive=True))
    config = CONFIG.model_copy(update={"n_processes": 2, "max_steps": 400})
    outcome = run_trial(bench, config, lambda loss, step: step == 6, lambda metrics, step: None)
    assert outcome.is_stopped
    assert not folders(bench)
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.slow
def test_a_trial_with_a_killed_process_keeps_its_checkpoints(bench: Bench):
    import psutil

    before = set(psutil.Process().children(recursive=True))
    config = CONFIG.model_copy(update={"n_processes": 2, "max_steps": 400})

    def kill(loss: float, step: int) -> bool:
        if step >= 6:
            ranks = set(psutil.Process().children(recursive=True)) - before
            next(p for p in ranks if "tuneline.training.worker" in p.cmdline()).kill()
        return False

    with pytest.raises(KilledError, match="go on from there"):
        run_trial(bench, config, kill, lambda metrics, step: None)
    checkpoints = list((bench.folder / trial_key(config)).glob("**/checkpoint-*"))
    assert checkpoints


def test_a_loss_that_is_no_number_stops_a_trial(bench: Bench, monkeypatch):
    from transformers import Trainer

    evaluate = Trainer.evaluate

    def diverged(self, *args, **kwargs):
        metrics = evaluate(self, *args, **kwargs)
        self.log({"eval_loss": math.nan})
        return metrics

    monkeypatch.setattr(Trainer, "evaluate", diverged)
    outcome = run_trial(bench, CONFIG, never, lambda metrics, step: None)
    assert outcome.is_stopped
    assert math.isnan(outcome.loss)


def test_a_trial_that_fails_leaves_nothing(bench: Bench):
    config = CONFIG.model_copy(update={"target_modules": ("W_pack",)})
    with pytest.raises(TrainingError, match="W_pack"):
        run_trial(bench, config, never, lambda metrics, step: None)
    assert not folders(bench)


def test_a_killed_trial_that_is_tried_again_goes_on_and_ends_with_the_same_loss(bench: Bench):
    undisturbed = run_trial(bench, CONFIG, never, lambda metrics, step: None)

    def kill(done: int, total: int) -> None:
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        run_trial(bench, CONFIG, never, lambda metrics, step: None, kill)
    assert [folder.name for folder in folders(bench)] == [trial_key(CONFIG)]

    steps: list[int] = []
    again = run_trial(bench, CONFIG, never, lambda metrics, step: steps.append(step))
    assert min(steps) == 7, "from the checkpoint of step 6"
    assert again == undisturbed
    assert not folders(bench)
