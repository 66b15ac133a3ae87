"""The HTTP service that assigns users and records outcomes, on a real server."""

import json
import threading
import time

import httpx
import pytest

from flows import ab_server
from tasks import ab_test as ab
from tests.flows.ab.acting import begin, outcomes
from tuneline.errors import RegistryError
from tuneline.release.ab.assignment import assign


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
