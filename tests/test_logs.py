"""Log lines as JSON."""

import json
import logging
import os
import subprocess
import sys
from contextvars import Context

from tuneline import logs


def line_of(message="kept=%d", *args, exc_info=None):
    record = logging.LogRecord("tuneline.data", logging.INFO, "x.py", 1, message, args, exc_info)
    return json.loads(logs.JsonFormatter().format(record))


def test_a_line_has_time_level_logger_message_and_what_was_bound():
    def bound():
        logs.bind(domain="lawyer", run="abc")
        logs.bind(release="v1.0-lawyer-20250401")
        return line_of("kept=%d", 3)

    line = Context().run(bound)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "tuneline.data",
        "message": "kept=3",
        "domain": "lawyer",
        "run": "abc",
        "release": "v1.0-lawyer-20250401",
    }
    assert "domain" not in Context().run(line_of, "later")


def test_an_error_stays_on_one_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = line_of("failed", exc_info=sys.exc_info())
    assert "two\nlines" in line["error"]


def test_the_variable_turns_every_process_of_the_line_to_json():
    code = "import tasks, logging; logging.getLogger('tuneline.x').info('hello')"
    for value, n_lines in (("json", 1), ("", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"TUNELINE_LOG": value}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert len(done.stderr.splitlines()) == n_lines
        assert [json.loads(text)["message"] for text in done.stderr.splitlines()] == [
            "hello"
        ] * n_lines
