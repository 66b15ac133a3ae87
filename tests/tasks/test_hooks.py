"""What servers are told of a change, and where the hooks come from."""

import sys
from datetime import date

import pytest

from tasks import hooks
from tuneline import tracking
from tuneline.hooks import HooksConfig

SIGNED = {"actor": "ann", "reason": "better", "evidence": "digest"}
PRINTS = {"argv": [sys.executable, "-c", "import os; print(os.environ['TUNELINE_RELEASE'])"]}


@pytest.fixture
def versions(registry, request, adapter):
    """Two versions of a domain of the test's own."""
    domain = request.node.name
    return [
        registry.register(
            domain,
            adapter=adapter,
            candidate=candidate,
            day=date(2025, 4, 1),
            lineage={},
            run_id=tracking.open_run(domain, candidate),
            description="",
            actor="ann",
        )
        for candidate in ("c1", "c2")
    ]


@pytest.fixture
def profiles(tmp_path, monkeypatch):
    """A folder of profiles that holds what the test writes."""
    monkeypatch.setattr("tuneline.profile.PROFILES", tmp_path)

    def write(name, domain, text=""):
        data = "data: {sources: [{name: a, path: a, license: MIT, metric: exact_match}]}"
        base = f"base_model: {{source: random, name: tiny}}\n{data}"
        (tmp_path / f"{name}.yaml").write_text(f"domain: {domain}\n{base}\n{text}")

    return write


def test_the_last_change_is_told_with_both_releases_and_the_reason(registry, versions):
    first, second = versions
    domain = first.domain
    assert hooks.last_change(registry, domain) is None
    registry.promote(domain, first.number, **SIGNED)
    registry.promote(domain, second.number, **SIGNED)
    event = registry.rollback(domain, actor="bo", reason="worse in court")
    change = hooks.last_change(registry, domain)
    assert (change.kind, change.release, change.previous) == (
        "rollback", first.release, second.release
    )  # fmt: skip
    assert (change.actor, change.reason, change.id) == ("bo", "worse in court", f"{domain}-5")
    assert hooks.last_change(registry, domain, since=event.number) is None


def test_a_change_that_was_told_before_is_not_told_again(registry, versions):
    domain = versions[0].domain
    event = registry.promote(domain, "challenger", **SIGNED)
    config = HooksConfig(commands=[PRINTS])
    assert hooks.tell(domain, config, since=event.number) == []
    [result] = hooks.tell(domain, config, since=event.follows)
    assert (result.is_done, result.said) == (True, versions[1].release)


def test_hooks_are_those_of_the_profile_with_the_domain_s_name(profiles):
    text = "hooks: {commands: [{argv: [reload]}]}"
    profiles("lawyer", "lawyer", text)
    profiles("demo", "lawyer")
    assert hooks.config_of("lawyer").commands[0].argv == ("reload",)


def test_two_profiles_of_other_names_leave_open_which_one_is_meant(profiles):
    profiles("one", "lawyer", "hooks: {commands: [{argv: [reload]}]}")
    assert hooks.config_of("lawyer").commands[0].argv == ("reload",)
    profiles("two", "lawyer")
    assert hooks.config_of("lawyer") == HooksConfig()
    assert hooks.config_of("doctor") == HooksConfig()


def test_a_broken_profile_is_reported_and_the_change_stands(registry, versions, profiles):
    domain = versions[0].domain
    registry.promote(domain, "challenger", **SIGNED)
    profiles(domain, domain, "hooks: {commands: [{argv: []}]}")
    [result] = hooks.tell(domain)
    assert not result.is_done
    assert "hooks.commands.0.argv" in result.said
    assert registry.champion(domain) == versions[1]
