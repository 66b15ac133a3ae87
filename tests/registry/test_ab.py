"""A/B tests in the ledger of a real MLflow registry in SQLite."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.registry.acting import JUDGED, WHO, aliases, champion_and_challenger, kill_everywhere
from tuneline.errors import RegistryError


@pytest.fixture
def domain(registry, domain, adapter):
    """A domain of its own with version 1 as champion and 2 as challenger."""
    champion_and_challenger(registry, domain, adapter)
    return domain


def test_a_won_test_is_one_event_and_the_aliases_follow(registry, domain):
    test = registry.start_test(domain, "challenger", plan='{"metric": "thumbs_up"}', **WHO)
    assert (test.start.from_version, test.start.to_version) == ("1", "2")
    assert registry.state(domain).running_test == test
    n_before = len(registry.history(domain))
    end = registry.end_test(domain, test.name, "promote", **JUDGED)
    assert (end.verdict, end.evidence, end.from_version, end.to_version) == (
        "promote", "digest", "1", "2",
    )  # fmt: skip
    assert len(registry.history(domain)) == n_before + 1
    assert registry.champion(domain).number == "2"
    assert aliases(registry, domain) == {"champion": "2"}
    assert registry.rollback(domain, **WHO).to_version == "1"


def test_ending_a_test_twice_is_one_event(registry, domain):
    test = registry.start_test(domain, "2", plan="{}", **WHO)
    first = registry.end_test(domain, test.name, "keep", **JUDGED)
    assert registry.end_test(domain, test.name, "keep", **JUDGED) == first
    assert registry.state(domain).challenger is None


def test_a_promotion_from_elsewhere_ends_the_test_and_its_verdict_comes_too_late(registry, domain):
    test = registry.start_test(domain, "2", plan="{}", **WHO)
    registry.promote(domain, "2", actor="bob", reason="no patience", evidence="")
    assert registry.state(domain).tests[0].end.actor == "bob"
    with pytest.raises(RegistryError, match=r"over: ended from elsewhere by event \d+: bob"):
        registry.end_test(domain, test.name, "keep", **JUDGED)


def test_a_version_whose_files_are_gone_is_neither_tested_nor_promoted(registry, domain):
    test = registry.start_test(domain, "2", plan="{}", **WHO)
    files = Path(registry.find(domain, "2").source.removeprefix("file://"))
    (files / "lineage.json").unlink()
    with pytest.raises(RegistryError, match=r"files of version 2 .* are gone"):
        registry.end_test(domain, test.name, "promote", **JUDGED)
    assert registry.state(domain).running_test is not None
    registry.end_test(domain, test.name, "cannot tell", **JUDGED)
    with pytest.raises(RegistryError, match=r"files of version 2 .* are gone"):
        registry.start_test(domain, "2", plan="{}", **WHO)


def test_of_starts_at_once_one_begins_and_the_others_are_told(registry, domain):
    def start(actor):
        try:
            return registry.start_test(domain, "2", plan="{}", actor=actor, reason="").start.actor
        except RegistryError as error:
            assert "is running" in str(error)
            return None

    with ThreadPoolExecutor(4) as pool:
        began = [actor for actor in pool.map(start, "abcd") if actor]
    state = registry.state(domain)
    assert began == [state.running_test.start.actor]
    assert len(state.tests) == 1


def test_a_verdict_and_a_promotion_at_once_never_both_move_the_champion(registry, domain):
    test = registry.start_test(domain, "2", plan="{}", **WHO)

    def decide():
        return registry.end_test(domain, test.name, "promote", **JUDGED)

    def promote():
        return registry.promote(domain, "2", actor="bob", reason="", evidence="")

    def outcome(call):
        try:
            return call().kind
        except RegistryError:
            return None

    with ThreadPoolExecutor(2) as pool:
        won = [kind for kind in pool.map(outcome, (decide, promote)) if kind]
    state = registry.state(domain)
    assert len(won) == 1
    assert [event.kind for event in state.events if event.moves_champion] == ["promote", *won]
    assert state.tests[0].end.kind == won[0]
    assert (state.champion, state.previous) == ("2", ("1",))


def test_a_won_test_killed_after_any_call_is_won_and_in_service_or_still_running(registry, domain):
    test = registry.start_test(domain, "2", plan="{}", **WHO)

    def end(victim, n_calls):
        victim.end_test(domain, test.name, "promote", **JUDGED)

    outcomes = []
    for _ in kill_everywhere(registry, end):
        champion, state = registry.champion(domain).number, registry.state(domain)
        assert (champion, state.running_test is None) in {("1", False), ("2", True)}
        assert aliases(registry, domain)["champion"] == champion
        outcomes.append(champion)
    assert outcomes == sorted(outcomes)
    assert outcomes[0] == "1"
    assert [event.kind for event in registry.history(domain)].count("ab_end") == 1
