"""A/B tests from start to verdict: command line, flow and HTTP, on a real MLflow in SQLite."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from flows import ab_server
from flows.cli import app
from tasks import ab_test as ab
from tuneline import tracking
from tuneline.errors import ABTestError, GateError, RegistryError
from tuneline.registry import Registry
from tuneline.release.ab.assignment import assign
from tuneline.release.ab.config import ABTestConfig
from tuneline.release.checks import GateCheck

ROOT = Path(__file__).parents[2]
RULES = ("p95_latency_s<=1.0", "error_rate<=0.02")


@pytest.fixture(scope="module")
def registry(workspace_dir):
    return Registry(tracking.tracking_uri())


@pytest.fixture
def domain(registry, tmp_path, request):
    """A domain of its own with version 1 as champion and 2 as challenger."""
    name = request.node.name.partition("[")[0]
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    for candidate in ("c1", "c2"):
        register(registry, name, tmp_path, candidate)
    registry.promote(name, "1", actor="ann", reason="first", evidence="")
    return name


def register(registry, domain, adapter, candidate, *checks, approval=False):
    """A release with these checks of the gate."""
    gate = {"checks": [*map(msgspec.to_builtins, checks)], "approval": approval}
    return registry.register(
        domain,
        adapter=adapter,
        candidate=candidate,
        day=date(2025, 4, 1),
        lineage={"base_model": "tiny", "gate": {**gate, "measured_against": None}},
        run_id=tracking.open_run(domain, candidate),
        description="A test.",
        actor="ann",
    )


def tuneline(*words):
    result = CliRunner().invoke(app, ["ab", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def begin(domain, *more):
    guardrails = [word for rule in RULES for word in ("--guardrail", rule)]
    words = ["--split", "50/50", "--metric", "thumbs_up", "--min-effect", "0.1"]
    assert tuneline("start", domain, *words, *guardrails, *more).exit_code == 0
    return Registry(tracking.tracking_uri()).state(domain).running_test


def outcomes(test, n_users=800, gain=0.3):
    """Answers since the start of the test, two per user."""
    config, rng = ABTestConfig.model_validate_json(test.start.plan), np.random.default_rng(0)
    at = datetime.fromisoformat(test.start.at).isoformat()
    for number in range(2 * n_users):
        user = f"用户{number // 2}"
        rate = 0.4 + gain * (assign(config.salt, config.challenger_share, user) == "challenger")
        yield {
            "request_id": f"{test.name}-{number}",
            "user_id": user,
            "time": at,
            "thumbs_up": bool(rng.random() < rate),
            "latency_s": 0.4,
            "error": 0,
        }


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_challenger_that_wins_on_the_command_line_is_champion(registry, domain, tmp_path):
    test = begin(domain)
    file = write(tmp_path / "outcomes.jsonl", outcomes(test))
    assert tuneline("record", domain, file).output == "1600 recorded, 0 duplicate, 0 bad\n"
    assert tuneline("record", domain, file).output == "0 recorded, 1600 duplicate, 0 bad\n"
    shown = tuneline("status", domain).output
    assert "Verdict now: promote" in shown
    assert "error_rate<=0.02" in shown
    told = json.loads(tuneline("status", domain, "--json").output)
    assert (told["outcome"], told["verdict"]) == ("running", "promote")
    assert told["report"]["rows"]["n_used"] == 1600
    assert told["picture"].endswith(f"{test.name}/gain.png")
    assert registry.state(domain).running_test == test
    assert "the challenger is champion" in tuneline("stop", domain).output
    champion, event = registry.champion(domain), registry.history(domain)[-1]
    assert (champion.number, event.kind, event.verdict) == ("2", "ab_end", "promote")
    evidence = ab.folder_of(domain) / test.name / f"report-{event.evidence[:16]}.json"
    assert ab.digest_of(json.loads(evidence.read_text())) == event.evidence
    assert "promote" in json.loads(tuneline("status", domain, "--json").output)["outcome"]
    with pytest.raises(ABTestError, match=f"no test is running; {test.name}: promote"):
        tuneline("stop", domain)


def test_a_challenger_that_fails_a_check_is_shown_to_no_user(registry, domain, tmp_path):
    slow = GateCheck("latency", "fail", "p95 2.1 s; only 1 s are allowed", "a smaller model")
    open_question = GateCheck("evaluation", "cannot tell", "+0.01", "more rows")
    register(registry, domain, tmp_path, "c3", open_question, slow)
    with pytest.raises(GateError, match=r"latency: fail, p95 2\.1 s.*a smaller model"):
        begin(domain)
    assert not registry.state(domain).tests
    register(registry, domain, tmp_path, "c4", open_question)
    assert begin(domain).start.to_version == "4"


def test_a_test_that_is_won_waits_for_the_approval_that_the_profile_asks_for(
    registry, domain, tmp_path
):
    release = register(registry, domain, tmp_path, "c3", approval=True).release
    test = begin(domain)
    tuneline("record", domain, write(tmp_path / "outcomes.jsonl", outcomes(test)))
    with pytest.raises(GateError, match=f"tuneline approve {release}"):
        tuneline("stop", domain)
    assert registry.state(domain).running_test == test
    registry.approve(domain, release, actor="bob", reason="read it", evidence="")
    assert "the challenger is champion" in tuneline("stop", domain).output
    assert registry.champion(domain).release == release


def test_bad_rows_are_shown_and_end_with_exit_code_1(registry, domain, tmp_path):
    test = begin(domain)
    rows = [*outcomes(test, 2), {"request_id": "r"}]
    result = tuneline("record", domain, write(tmp_path / "some.jsonl", rows))
    assert (result.exit_code, result.output.splitlines()[0]) == (
        1,
        "4 recorded, 0 duplicate, 1 bad",
    )
    assert "some.jsonl:5: user_id is None" in result.output


def test_stopping_before_anything_is_known_leaves_the_champion(registry, domain):
    begin(domain)
    assert "ended with 'cannot tell', the champion stays" in tuneline("stop", domain).output
    assert registry.champion(domain).number == "1"
    assert registry.state(domain).challenger == "2"
    again = begin(domain)
    assert again.name != registry.state(domain).tests[0].name


def test_a_promotion_from_elsewhere_is_told_by_status(registry, domain):
    begin(domain)
    registry.promote(domain, "2", actor="bob", reason="no patience", evidence="")
    assert "ended from elsewhere by event" in tuneline("status", domain, "--json").output
    with pytest.raises(ABTestError, match=r"ended from elsewhere by event \d+: bob"):
        tuneline("stop", domain)


def test_wrong_settings_and_tests_that_are_not_there_are_one_sentence(registry, domain):
    words = ("start", domain, "--metric", "thumbs_up", "--min-effect")
    with pytest.raises(ABTestError, match=r"min_effect is -1\.0: Input should be greater than 0"):
        tuneline(*words, "-1")
    with pytest.raises(ABTestError, match="guardrail 'fast' is none"):
        tuneline(*words, "0.1", "--guardrail", "fast")
    with pytest.raises(ABTestError, match="has had no A/B test"):
        tuneline("status", domain)
    begin(domain)
    with pytest.raises(RegistryError, match="is running since"):
        tuneline(*words, "0.1")


def test_the_scheduled_flow_ends_a_test_whose_verdict_is_in(registry, domain, prefect_server):
    from flows.ab_test import ab_test

    assert ab_test(domain) is None
    test = begin(domain)
    assert ab_test(domain) is None
    assert registry.state(domain).running_test == test
    ab.outcome_log(domain).append(ab.split_rows(ab.parse_rows(("", r) for r in outcomes(test)))[0])
    event = ab_test(domain)
    assert (event.kind, event.verdict) == ("ab_end", "promote")
    assert registry.champion(domain).number == "2"
    assert ab_test(domain) is None
    run = tracking.connect(tracking.tracking_uri()).get_run(
        tracking.open_run(domain, f"{domain}:{test.name}")
    )
    assert run.data.metrics["ab/low"] > 0


def test_a_test_whose_time_is_up_is_due_even_if_nobody_can_tell(registry, domain):
    begin(domain, "--max-days", "0.04")
    looked = ab.look(domain)
    assert not ab.is_due(looked._replace(report=replace(looked.report, days=0.03)))
    assert ab.is_due(looked._replace(report=replace(looked.report, days=0.05)))


@pytest.fixture
def service(registry, domain):
    """Base address of a real server, its assigner, and the running test."""
    import uvicorn

    test = begin(domain)
    assigner = ab_server.Assigner(registry, domain)
    built = ab_server.build_app(assigner, ab.outcome_log(domain))
    server = uvicorn.Server(uvicorn.Config(built, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client, assigner, test
    server.should_exit = True
    thread.join()


def test_the_service_assigns_as_any_other_service_would(service, registry):
    client, assigner, test = service
    told = client.get("/test").json()
    assert told["test"] == test.name
    for user in ("u1", "王小明", "a b&c"):
        answer = client.get("/assign", params={"user": user}).json()
        assert answer["variant"] == assign(told["salt"], told["challenger_share"], user)
        assert answer["version"] == {"champion": "1", "challenger": "2"}[answer["variant"]]
        assert answer["release"] == registry.state(assigner.domain).releases()[answer["version"]]
    registry.end_test(assigner.domain, test.name, "keep", actor="a", reason="", evidence="")
    assigner.refresh()
    assert client.get("/test").json() == {"test": None}
    assert client.get("/assign", params={"user": "u1"}).json()["version"] == "1"
    assert client.get("/assign", params={"user": ""}).status_code == 422
    assert client.get("/assign").status_code == 422


def test_the_service_records_outcomes_once(service):
    client, assigner, test = service
    rows = list(outcomes(test, 2))
    assert client.post("/outcomes", json=rows[0]).json()["recorded"] == 1
    assert client.post("/outcomes", json=rows[:2]).json() == {
        "recorded": 1, "duplicates": 1, "bad": [],
    }  # fmt: skip
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    answer = client.post("/outcomes", content=lines)
    assert (answer.status_code, answer.json()["recorded"]) == (200, 2)
    recorded = ab.outcome_log(assigner.domain).read().rows
    assert recorded["request_id"].to_list() == [row["request_id"] for row in rows]


def test_the_service_tells_bad_rows_and_keeps_the_others(service):
    client, assigner, test = service
    good, bad = next(outcomes(test)), {"request_id": "r", "user_id": "u"}
    answer = client.post("/outcomes", json=[good, bad])
    assert answer.status_code == 422
    assert answer.json()["recorded"] == 1
    assert [(row["row"], row["reason"][:12]) for row in answer.json()["bad"]] == [
        (2, "time is None")
    ]
    torn = json.dumps(good).encode() + b'\n{"request_id": "r2'
    assert client.post("/outcomes", content=torn).json()["bad"][0]["row"] == 2
    for nothing in (b"", b"[]", b"\xff\xfe", b"null"):
        assert client.post("/outcomes", content=nothing).status_code == 422
    assert ab.outcome_log(assigner.domain).read().rows.height == 1


def test_the_service_refuses_what_is_too_much(service, monkeypatch):
    client, _, test = service
    monkeypatch.setattr(ab_server, "MAX_ROWS", 3)
    assert client.post("/outcomes", json=list(outcomes(test, 2))).status_code == 422
    monkeypatch.setattr(ab_server, "MAX_BODY_BYTES", 1000)
    assert client.post("/outcomes", content=b"x" * 1001).status_code == 413


def test_the_service_goes_on_with_the_last_known_state_where_mlflow_does_not_answer(
    registry, domain, monkeypatch, caplog
):
    begin(domain)
    assigner = ab_server.Assigner(registry, domain)
    before = assigner.assign("u1")

    def fail(domain):
        raise RegistryError("MLflow is away")

    monkeypatch.setattr(registry, "state", fail)
    assigner.refresh()
    assert assigner.assign("u1") == before
    assert "keeps the last known state: MLflow is away" in caplog.text


def test_requests_from_before_the_test_do_not_count(registry, domain, tmp_path):
    test = begin(domain)
    early = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    rows = [{**row, "time": early} for row in outcomes(test, 5)]
    tuneline("record", domain, write(tmp_path / "old.jsonl", rows))
    assert ab.look(domain).report.rows.n_outside == 10


@pytest.mark.parametrize("verb", ["start", "status", "stop", "record", "serve"])
def test_help_imports_nothing_heavy(verb):
    code = (
        "import sys; sys.argv = ['tuneline', 'ab', sys.argv[1], '--help']\n"
        "from flows.cli import app\n"
        "try: app()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'torch', 'prefect', 'mlflow', 'polars', 'numpy', 'scipy', 'fastapi'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, verb]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Usage" in output
