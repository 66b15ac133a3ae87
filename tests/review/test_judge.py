"""A judge behind a real HTTP server on this machine that answers as OpenAI's API does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuneline.errors import ReviewError
from tuneline.review.config import JudgeConfig
from tuneline.review.judge import Judged, identity, judge_pairs, parse_verdict
from tuneline.review.pairs import Pair

PAIRS = [Pair("r1", f"p{i}", f"问题 {i}", f"good {i}", f"bad {i}", "好") for i in range(6)]


class Server(ThreadingHTTPServer):
    """Says what `self.reply` makes of a request; keeps the requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.failures = []
        """What the next requests get: a status code, or `drop` for a closed connection."""
        self.reply = lambda question: json.dumps({"verdict": prefer_good(question)})

    def handle_error(self, request, client_address):
        """A connection that is dropped on purpose is no news."""


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers.get("Authorization"), body))
        failure = self.server.failures.pop() if self.server.failures else None
        if failure == "drop":
            self.connection.close()
            return
        question = json.loads(body["messages"][1]["content"])
        content = self.server.reply(question)
        reply = {"choices": [{"message": {"role": "assistant", "content": content}}]}
        data = json.dumps(reply if failure is None else {"error": "no"}).encode()
        self.send_response(failure or 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Quiet."""


def prefer_good(question):
    return "A" if question["answer A"].startswith("good") else "B"


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def config(server):
    return JudgeConfig(
        base_url=f"http://127.0.0.1:{server.server_port}/v1",
        model="big",
        retries=2,
        first_wait_s=0.01,
    )


def test_every_pair_is_judged_in_both_orders(server, config, tmp_path):
    judged = judge_pairs(config, PAIRS, tmp_path / "judged.jsonl")
    assert judged == [Judged(pair.pair, "left", "left") for pair in PAIRS]
    asked = [json.loads(body["messages"][1]["content"]) for _, _, body in server.requests]
    assert len(asked) == 12
    firsts = {(q["question"], q["answer A"]) for q in asked}
    assert {("问题 0", "good 0"), ("问题 0", "bad 0")} <= firsts
    path, key, body = server.requests[0]
    assert (path, key) == ("/v1/chat/completions", None)
    assert (body["model"], body["temperature"]) == ("big", 0)


def test_a_judge_that_likes_the_first_place_is_swayed(server, config, tmp_path):
    server.reply = lambda question: '{"verdict": "A"}'
    judged = judge_pairs(config, PAIRS, tmp_path / "judged.jsonl")
    assert {(j.as_shown, j.swapped, j.choice, j.is_swayed) for j in judged} == {
        ("left", "right", "same", True)
    }


def test_a_reply_without_a_verdict_is_none_and_no_tie(server, config, tmp_path):
    server.reply = lambda question: "I cannot say."
    judged = judge_pairs(config, PAIRS[:1], tmp_path / "judged.jsonl")
    assert (judged[0].choice, judged[0].is_read) == (None, False)


@pytest.mark.parametrize("failures", [["drop", "drop"], [429, 503]])
def test_network_errors_and_a_busy_server_are_tried_again(server, config, tmp_path, failures):
    server.failures = failures
    judged = judge_pairs(config, PAIRS[:1], tmp_path / "judged.jsonl")
    assert judged[0].choice == "left"
    assert len(server.requests) == 4


def test_a_refusal_is_not_tried_again(server, config, tmp_path):
    server.failures = [401]
    with pytest.raises(ReviewError, match=r"judge big at http.* gives no verdict: 401"):
        judge_pairs(config, PAIRS[:1], tmp_path / "judged.jsonl")
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    config = JudgeConfig(
        base_url="http://127.0.0.1:9/v1", model="big", retries=1, first_wait_s=0.01
    )
    with pytest.raises(ReviewError, match="gives no verdict: ConnectError"):
        judge_pairs(config, PAIRS[:1], tmp_path / "judged.jsonl")


def test_verdicts_so_far_are_kept_and_not_asked_for_again(server, config, tmp_path):
    progress = tmp_path / "judged.jsonl"
    judge_pairs(config, PAIRS[:2], progress)
    progress.write_bytes(progress.read_bytes() + b'{"pair": "p')  # killed in the middle of a line
    server.requests.clear()
    assert [j.pair for j in judge_pairs(config, PAIRS, progress)] == [p.pair for p in PAIRS]
    assert len(server.requests) == 2 * 4
    server.requests.clear()
    judge_pairs(config, PAIRS, progress)
    assert server.requests == []


def test_the_key_comes_from_the_environment_and_never_from_the_profile(
    server, config, tmp_path, monkeypatch
):
    keyed = config.model_copy(update={"api_key_env": "JUDGE_KEY"})
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(ReviewError, match="set the environment variable JUDGE_KEY"):
        judge_pairs(keyed, PAIRS[:1], tmp_path / "judged.jsonl")
    monkeypatch.setenv("JUDGE_KEY", "s3cret")
    judge_pairs(keyed, PAIRS[:1], tmp_path / "judged.jsonl")
    assert server.requests[0][1] == "Bearer s3cret"
    assert "s3cret" not in (tmp_path / "judged.jsonl").read_text()
    with pytest.raises(ValueError, match="api_key_env"):
        JudgeConfig(base_url="http://x/v1", model="m", api_key_env="sk-abc123")


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ('{"verdict": "A"}', "left"),
        ('Think: {"verdict": "A"} ... no. {"verdict":"B"}', "right"),
        ("**B**", "right"),
        ('"both_bad"', "both_bad"),
        ("same.", "same"),
        ("A is better because B is wrong", None),
        ("", None),
    ],
)
def test_the_last_verdict_of_a_reply_counts(reply, choice):
    assert parse_verdict(reply) == choice


def test_the_identity_changes_with_what_decides_the_verdicts_alone(config):
    assert identity(config) == identity(config.model_copy(update={"n_parallel": 9}))
    assert identity(config) != identity(config.model_copy(update={"model": "small"}))
