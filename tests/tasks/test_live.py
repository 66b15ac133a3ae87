"""A training's last numbers stand beside the progress and on the run page."""

import math
from uuid import UUID

from prefect import flow, task

from tasks import live
from tasks.live import LiveTraining, markdown, note
from tasks.progress import Pace, progress_of, watched_by
from tests.tasks.test_progress import stored_artifact
from tuneline.training.watchdog import judge

NUMBERS = {
    "loss": 0.4213,
    "learning_rate": 2.9e-4,
    "grad_norm": 1.234,
    "tokens_per_s": 1283.4,
    "memory_mib": 3100.2,
}


def test_loss_and_speed_stand_beside_the_progress():
    healthy = judge([])
    assert note(NUMBERS, healthy) == "loss 0.42, 1,283 tokens/s"
    assert note({"loss": 2.0}, healthy) == "loss 2.00"
    assert note({"eval_loss": 2.0}, healthy) == ""


def test_a_pattern_that_asks_for_a_change_stands_there_too():
    notes = []
    with watched_by(lambda stage, done, total, text: notes.append(text)):
        tell = LiveTraining("lawyer", progress_of("train"), lambda *seen: None)
        for step in range(1, 101):
            tell({"loss": 2.3, "done_fraction": step / 100}, step)
    # 20 steps are enough to say so, and a fifth of the run.
    assert notes[18:20] == ["loss 2.30", "loss 2.30, not learning"]


def test_numbers_reach_mlflow_as_they_are_and_watchers_as_a_note():
    logged, notes = [], []
    with watched_by(lambda stage, done, total, text: notes.append(text)):
        tell = LiveTraining("lawyer", progress_of("train"), lambda *seen: logged.append(seen))
        tell(NUMBERS, 1)
        tell({"eval_loss": 0.5}, 1)
    assert logged == [(NUMBERS, 1), ({"eval_loss": 0.5}, 1)]
    assert notes == ["loss 0.42, 1,283 tokens/s"] * 2, "a validation does not wipe it"


def test_the_table_has_the_last_steps_newest_first_and_only_what_was_measured():
    progress = progress_of("train")
    progress(2, 4)
    rows = {1: {**NUMBERS, "eval_loss": 0.5}, 2: {"loss": math.nan}}
    assert markdown(rows, judge([]), progress).splitlines() == [
        "**Step 2 of 4 (50 %)**",
        "",
        "healthy: too few steps were logged to say more",
        "",
        "| step | loss | validation loss | learning rate | gradient norm | tokens/s "
        "| memory (MiB) |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        "| 2 | nan |  |  |  |  |  |",
        "| 1 | 0.4213 | 0.5000 | 2.90e-04 | 1.234 | 1,283 | 3,100 |",
    ]


def test_a_long_run_keeps_ten_rows_and_a_short_history():
    tell = LiveTraining("lawyer", progress_of("train"), lambda *seen: None)
    for step in range(1, 1001):
        tell({**NUMBERS, "done_fraction": step / 1000}, step)
    assert list(tell.rows) == list(range(991, 1001))
    assert len(tell.history) < 100


def test_the_run_page_shows_the_step_at_which_a_run_diverges(prefect_server, monkeypatch):
    monkeypatch.setattr(live, "Pace", lambda: Pace(lambda: 0.0))  # no time passes: only musts

    @task
    def train() -> UUID | None:
        progress = progress_of("train")
        tell = LiveTraining("my_domain", progress, lambda *seen: None)
        for step in range(1, 6):
            progress(step, 9)
            tell({**NUMBERS, "done_fraction": step / 9}, step)
        progress(6, 9)
        tell({"loss": math.nan, "grad_norm": math.nan, "done_fraction": 6 / 9}, 6)
        return tell.artifact

    @flow
    def run() -> UUID | None:
        return train()

    artifact = run()
    assert artifact is not None
    shown = stored_artifact(artifact)
    assert (shown.type, shown.key) == ("markdown", "my-domain-training-live")
    assert "**Step 6 of 9 (67 %)" in shown.data
    assert "diverging: the loss is NaN at step 6: divide training.learning_rate" in shown.data
    assert "| 6 | nan |" in shown.data and "| 1 | 0.4213 |" in shown.data
