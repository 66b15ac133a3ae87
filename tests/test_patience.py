"""A locked SQLite file is waited for; other errors are not."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from tuneline import tracking
from tuneline.patience import PatientClient


@pytest.mark.slow
def test_a_call_waits_for_a_database_that_another_process_has_locked_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    run_id = tracking.open_run("locked", "key")
    other = sqlite3.connect(
        tmp_path / "mlflow" / "mlflow.db", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(7, lambda: other.execute("ROLLBACK")).start()
    began = time.monotonic()
    tracking.log_metrics(run_id, {"loss": 0.5})
    assert time.monotonic() - began > 5, "the file was not locked"
    client = tracking.connect(tracking.tracking_uri())
    assert [m.value for m in client.get_metric_history(run_id, "loss")] == [0.5]


class Locked:
    def __init__(self, message: str) -> None:
        self.message, self.n_calls = message, 0

    def log(self) -> None:
        self.n_calls += 1
        raise MlflowException(self.message)


@pytest.mark.parametrize(
    ("message", "is_tried_again"), [("database is locked", True), ("no such run", False)]
)
def test_only_a_lock_is_tried_again_and_not_for_ever(message: str, is_tried_again: bool):
    client = Locked(message)
    with pytest.raises(MlflowException, match=message):
        PatientClient(client, patience_s=0.2).log()
    assert (client.n_calls > 1) == is_tried_again
