"""A release waits for a person, on a real Prefect server."""

import threading
import time
from datetime import date

import msgspec
import pytest
from prefect.client.orchestration import get_client

from flows.approve import approve
from tasks import approval
from tuneline import tracking
from tuneline.errors import GateError
from tuneline.registry import Registry
from tuneline.release.checks import GateCheck

PASSED = GateCheck("evaluation", "pass", "+0.81")
FAILED = GateCheck("latency", "fail", "p95 2.1 s", "a smaller model")


@pytest.fixture
def release(request, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    domain = request.node.originalname
    registry = Registry(tracking.tracking_uri())

    def register(candidate="c1", check=PASSED):
        stored = {"checks": msgspec.to_builtins([check]), "measured_against": None}
        return registry.register(
            domain,
            adapter=adapter,
            candidate=candidate,
            day=date(2025, 4, 1),
            lineage={"gate": {**stored, "approval": True}},
            run_id=tracking.open_run(domain, candidate),
            description="",
            actor="ann",
        )

    return register


def answered(version, answer):
    """Run the flow, and call `answer` once it waits; returns what the flow says."""
    said = []
    flow = threading.Thread(target=lambda: said.append(approve(version.release, poll_s=1)))
    flow.start()
    for _ in range(200):
        waiting = [
            r for r in approval._waiting() if (r.parameters or {})["release"] == version.release
        ]
        if waiting:
            break
        time.sleep(0.2)
    answer(waiting[0])
    flow.join(60)
    return said[0]


def resume(run, **said):
    with get_client(sync_client=True) as client:
        client.resume_flow_run(run.id, run_input=said)


def test_the_form_s_yes_makes_a_release_champion_with_reviewer_and_comment(prefect_server, release):
    version = release()
    form = {"decision": "approve", "comment": "read all", "reviewer": "bo"}
    said = answered(version, lambda run: resume(run, **form))
    assert "champion is now" in said
    registry = Registry(tracking.tracking_uri())
    assert registry.champion(version.domain) == version
    approved, promoted = registry.history(version.domain)[-2:]
    assert (approved.kind, approved.actor, approved.reason) == (
        "approve", "bo in the Prefect UI", "read all"
    )  # fmt: skip
    assert (promoted.kind, promoted.actor) == ("promote", "bo in the Prefect UI")


def test_the_form_s_no_is_a_refusal_in_the_ledger(prefect_server, release):
    version = release()
    said = answered(version, lambda run: resume(run, comment="too terse", reviewer="bo"))
    assert said == f"{version.release} is refused"
    registry = Registry(tracking.tracking_uri())
    assert registry.champion(version.domain) is None
    assert registry.history(version.domain)[-1].reason == "too terse"


def test_no_answer_in_time_is_a_refusal(prefect_server, release):
    version = release()
    assert approve(version.release, timeout_h=1 / 3600, poll_s=1) == f"{version.release} is refused"
    last = Registry(tracking.tracking_uri()).history(version.domain)[-1]
    assert last.kind == "refuse"
    assert "nobody approved it within" in last.reason


def test_an_answer_on_the_command_line_closes_the_form(prefect_server, release):
    version = release()

    def answer(run):
        approval.answer(version.release, "approve", "by hand")
        assert approval.close_forms(version.release, "approve", "by hand") == 1

    assert "has decided: approve (by hand)" in answered(version, answer)
    history = Registry(tracking.tracking_uri()).history(version.domain)
    assert [event.kind for event in history] == ["register", "approve", "promote"]


def test_a_release_that_fails_another_check_is_not_asked_about(prefect_server, release):
    version = release(check=FAILED)
    with pytest.raises(GateError, match="latency"):
        approve(version.release)
    with pytest.raises(GateError, match="latency"):
        approval.answer(version.release, "approve", "please")
    assert len(Registry(tracking.tracking_uri()).history(version.domain)) == 1


def test_asking_through_a_deployment_that_is_not_there_is_no_error(prefect_server, release):
    assert approval.request(release().release, 1) is False
