"""Promotions by hand on a real registry: the gate stands before each."""

from datetime import date
from pathlib import Path

import msgspec
import pytest

from flows.summary import event_rows
from tasks import promotion
from tuneline import tracking
from tuneline.errors import GateError, RegistryError
from tuneline.release.checks import GateCheck

PASSED = GateCheck("evaluation", "pass", "+0.81")
FAILED = GateCheck("latency", "fail", "p95 2.1 s; only 1 s are allowed", "a smaller model")


@pytest.fixture
def release(registry, request, adapter):
    """Registers releases of a domain of the test's own."""
    domain = request.node.originalname

    def register(candidate, *checks, against=None, approval=False):
        stored = {
            "checks": msgspec.to_builtins(checks or (PASSED,)),
            "measured_against": against,
            "approval": approval,
        }
        return registry.register(
            domain,
            adapter=adapter,
            candidate=candidate,
            day=date(2025, 4, 1),
            lineage={"gate": stored, "evidence": "digest"},
            run_id=tracking.open_run(domain, candidate),
            description="",
            actor="ann",
        )

    return register


def test_a_release_that_fails_a_check_is_refused_with_numbers_and_the_way_out(registry, release):
    version = release("c1", PASSED, FAILED)
    with pytest.raises(GateError) as refused:
        promotion.promote(version.domain, "challenger", "please")
    assert "latency: fail, p95 2.1 s; only 1 s are allowed (a smaller model)" in str(refused.value)
    assert "--force" in str(refused.value)
    assert registry.champion(version.domain) is None


def test_what_was_forced_stays_in_the_history_in_words(registry, release):
    version = release("c1", PASSED, FAILED)
    assert promotion.promote(version.domain, version.release, "court opens", True) == version
    last = registry.history(version.domain)[-1]
    assert (last.forced, last.evidence) == ("latency", "digest")
    assert event_rows([last])[0]["reason"] == "FORCED past latency: court opens"
    entry = registry.client.get_model_version(version.domain, version.number)
    assert entry.tags["forced"].startswith("latency overruled by ")


def test_force_marks_nothing_where_nothing_had_to_be_overruled(registry, release):
    version = release("c1")
    promotion.promote(version.domain, version.release, "good", True)
    assert registry.history(version.domain)[-1].forced == ""


def test_a_release_measured_against_an_older_champion_has_to_be_measured_again(registry, release):
    first, second, third = release("c1"), release("c2"), release("c3")
    promotion.promote(first.domain, first.number, "good")
    with pytest.raises(GateError, match=f"champion is {first.release} now"):
        promotion.promote(first.domain, second.number, "good")
    fresh = release("c4", against=first.release)
    assert promotion.promote(first.domain, fresh.number, "good") == fresh
    with pytest.raises(GateError, match="measured against the base model"):
        promotion.promote(first.domain, third.number, "good")


def test_a_release_that_waits_for_approval_is_promoted_once_somebody_gave_it(registry, release):
    version = release("c1", approval=True)
    with pytest.raises(GateError, match="nobody has approved it yet"):
        promotion.promote(version.domain, version.release, "good")
    registry.approve(version.domain, version.release, actor="bo", reason="read", evidence="digest")
    assert registry.champion(version.domain) is None
    assert promotion.promote(version.domain, version.release, "good") == version


def test_an_approval_ends_with_a_refusal_or_a_rollback(registry, release):
    version, other = release("c1", approval=True), release("c2")
    signed = {"actor": "bo", "reason": "read", "evidence": "digest"}
    registry.approve(version.domain, version.number, **signed)
    registry.refuse(version.domain, version.number, **signed)
    assert registry.state(version.domain).approval(version.number) is None
    registry.approve(version.domain, version.number, **signed)
    registry.promote(version.domain, other.number, **signed)
    registry.promote(version.domain, version.number, **signed)
    registry.rollback(version.domain, actor="bo", reason="wrong")
    assert registry.state(version.domain).approval(version.number) is None


def test_a_damaged_release_is_not_promoted(registry, release):
    version = release("c1")
    (Path(version.source.removeprefix("file://")) / "adapter_config.json").write_text("{ }")
    with pytest.raises(RegistryError, match="SHA-256"):
        promotion.promote(version.domain, version.release, "good")
