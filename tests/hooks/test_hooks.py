"""Hooks against a real HTTP server and real programs."""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import ValidationError

from tuneline.hooks import Change, HooksConfig, run_hooks
from tuneline.hooks.webhook import headers

CHANGE = Change(
    "lawyer-17", "promote", "lawyer", "v1.1-lawyer-20250408", "2", "v1.0-lawyer-20250401",
    "file:///models/m-2", "2025-04-08T03:00:00+00:00", "ann", "更好",
)  # fmt: skip
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def server():
    """A server that gives the listed answers, then 200; it keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            http.got.append((dict(self.headers), body))
            self.send_response(http.answers.pop(0) if http.answers else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.got, http.answers = [], []
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def webhook(server, **more):
    url = f"http://127.0.0.1:{server.server_port}/reload"
    return HooksConfig(webhooks=[{"url": url, "secret_env": "SECRET", "wait_s": 0.01, **more}])


def command(*argv, **more):
    return HooksConfig(commands=[{"argv": argv, **more}])


def python(code):
    return command(sys.executable, "-c", code)


def test_the_signature_is_the_one_of_the_specification_s_example():
    """Standard Webhooks 1.0.0, reference libraries' test vector."""
    made = headers(
        SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )  # fmt: skip
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_server_gets_the_change_signed(server, monkeypatch):
    monkeypatch.setenv("SECRET", SECRET)
    [result] = run_hooks(webhook(server), CHANGE)
    assert (result.is_done, result.said) == (True, "answered 200 at try 1")
    [(got, body)] = server.got
    assert json.loads(body)["release"] == "v1.1-lawyer-20250408"
    assert json.loads(body)["reason"] == "更好"
    sent = {name.lower(): value for name, value in got.items()}
    expected = headers(SECRET, sent["webhook-id"], int(sent["webhook-timestamp"]), body)
    assert sent["webhook-signature"] == expected["webhook-signature"]
    assert base64.b64decode(sent["webhook-signature"].removeprefix("v1,"))


def test_a_busy_server_is_asked_again_with_the_same_id(server, monkeypatch):
    monkeypatch.setenv("SECRET", "any text")
    server.answers = [503, 429]
    [result] = run_hooks(webhook(server), CHANGE)
    assert result.said == "answered 200 at try 3"
    assert {got["webhook-id"] for got, _ in server.got} == {"lawyer-17"}


def test_a_server_that_never_takes_it_is_reported_after_all_tries(server, monkeypatch):
    monkeypatch.setenv("SECRET", "any text")
    server.answers = [500] * 9
    [result] = run_hooks(webhook(server, tries=3), CHANGE)
    assert (result.is_done, result.said) == (False, "answered 500 (3 tries)")
    assert len(server.got) == 3


def test_a_refusal_is_final(server, monkeypatch):
    monkeypatch.setenv("SECRET", "any text")
    server.answers = [401]
    [result] = run_hooks(webhook(server), CHANGE)
    assert (result.is_done, result.said, len(server.got)) == (False, "answered 401", 1)


def test_nothing_is_sent_without_a_secret_or_with_half_a_one(server, monkeypatch):
    monkeypatch.delenv("SECRET", raising=False)
    assert "$SECRET is not set" in run_hooks(webhook(server), CHANGE)[0].said
    monkeypatch.setenv("SECRET", "whsec_no base64!")
    assert "no base64" in run_hooks(webhook(server), CHANGE)[0].said
    assert server.got == []


def test_a_server_that_is_not_there_is_reported(monkeypatch):
    monkeypatch.setenv("SECRET", "any text")
    hook = {"url": "http://127.0.0.1:9", "secret_env": "SECRET", "tries": 2, "wait_s": 0.01}
    [result] = run_hooks(HooksConfig(webhooks=[hook]), CHANGE)
    assert not result.is_done
    assert "ConnectError" in result.said


def test_a_command_gets_the_change_in_variables_and_on_standard_input():
    code = "import os, sys; print(os.environ['TUNELINE_RELEASE'], sys.stdin.buffer.read().decode())"
    [result] = run_hooks(python(code), CHANGE)
    assert result.is_done
    assert result.said == f"v1.1-lawyer-20250408 {CHANGE.body.decode()}"[-200:]


def test_no_shell_reads_a_command(tmp_path):
    marker = tmp_path / "marker"
    [result] = run_hooks(command("echo", f"$(touch {marker})", ";", "touch", str(marker)), CHANGE)
    assert result.is_done
    assert not marker.exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (python("import sys; print('no GPU'); sys.exit(3)"), "exit code 3: no GPU"),
        (command("a-program-that-is-not-there"), "No such file"),
        (command("sleep", "60", timeout_s=0.1), "killed after 0.1 s"),
    ],
)
def test_a_command_that_fails_is_reported_and_the_next_hook_runs(config, said):
    both = HooksConfig(commands=[*config.commands, {"argv": ["true"]}])
    failed, done = run_hooks(both, CHANGE)
    assert not failed.is_done
    assert said in failed.said
    assert done.is_done


@pytest.mark.parametrize(
    "wrong",
    [{"webhooks": [{"url": "ftp://x", "secret_env": "S"}]}, {"commands": [{"argv": []}]}],
)
def test_a_hook_that_cannot_be_called_is_refused_in_the_profile(wrong):
    with pytest.raises(ValidationError):
        HooksConfig.model_validate(wrong)
