"""What training processes tell the one that waits for them, and how they failed."""

import json
import logging
import signal
from pathlib import Path

import pytest

from tuneline.errors import DataError, TrainingError
from tuneline.training.job import EVENTS, EXITS, Failure, Listener, Teller, write_failure
from tuneline.training.launch import failed


def test_a_listener_hears_each_event_once_and_no_half_line(tmp_path: Path):
    heard: list[tuple[object, ...]] = []
    listener = Listener(tmp_path, lambda *a: heard.append(a), lambda *a: heard.append(a))
    listener.listen()
    assert heard == []
    teller = Teller(tmp_path)
    teller.progress(1, 9)
    teller.log_metrics({"loss": 2.5}, 1)
    listener.listen()
    with (tmp_path / EVENTS).open("a") as file:
        file.write('{"done": 2, "to')
    listener.listen()
    assert heard == [(1, 9), ({"loss": 2.5}, 1)]
    with (tmp_path / EVENTS).open("a") as file:
        file.write('tal": 9}\n')
    listener.listen()
    assert heard[2:] == [(2, 9)]


def test_what_a_training_process_logs_is_logged_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    log = logging.Logger("tuneline.training.trainer")
    log.addHandler(Teller(tmp_path))
    log.warning("train: out of memory; %s", "batch_size 4 -> 2")
    log.debug("not told")
    Listener(tmp_path, lambda *a: None, lambda *a: None).listen()
    assert caplog.record_tuples == [
        ("tuneline.training.trainer", logging.WARNING, "train: out of memory; batch_size 4 -> 2")
    ]


def test_the_error_of_the_rank_that_failed_first_is_told(tmp_path: Path):
    write_failure(tmp_path, 0, Failure("RuntimeError", "connection closed by peer", 20.0))
    write_failure(tmp_path, 1, Failure("DataError", "a.jsonl:3 is empty", 10.0))
    error = failed(tmp_path, 1)
    assert type(error) is DataError
    assert str(error) == "a.jsonl:3 is empty"


def test_an_error_that_is_not_ours_names_rank_kind_and_output(tmp_path: Path):
    write_failure(tmp_path, 1, Failure("ValueError", "odd", 10.0))
    expected = rf"rank 1 failed: ValueError: odd; its output is in {tmp_path}"
    with pytest.raises(TrainingError, match=expected):
        raise failed(tmp_path, 1)


@pytest.mark.parametrize(
    ("exits", "expected"),
    [
        ({0: -signal.SIGTERM, 1: -signal.SIGSEGV}, "rank 1 was ended by SIGSEGV;"),
        ({0: -signal.SIGTERM}, "rank 0 was ended by SIGTERM;"),
        ({1: 3}, "training ended with exit code 1"),
    ],
)
def test_a_signal_is_told_with_the_rank_that_it_ended(tmp_path: Path, exits, expected: str):
    (tmp_path / EXITS).write_text(json.dumps(exits))
    with pytest.raises(TrainingError, match=expected):
        raise failed(tmp_path, 1)
