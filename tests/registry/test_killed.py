"""Whoever is killed between two calls to MLflow leaves the old state or the new one."""

import pytest

from tests.registry.acting import JUDGED, WHO, aliases, kill_everywhere, register, register_all


@pytest.mark.slow
def test_a_registration_killed_after_any_call_is_one_version(registry, domain, adapter):
    def register_one(victim, n_calls):
        register(victim, domain, adapter, f"c{n_calls}")

    for n_calls in kill_everywhere(registry, register_one):
        assert register(registry, domain, adapter, f"c{n_calls}").release.startswith(
            f"v1.{n_calls}-"
        )
        assert registry.drift(domain) == []
    assert n_calls > 10
    entries = registry.client.search_model_versions(f"name = '{domain}'")
    assert sorted(int(entry.tags["candidate"][1:]) for entry in entries) == list(range(n_calls + 1))


def test_a_rollback_killed_after_any_call_happened_or_did_not(registry, domain, adapter):
    for version in register_all(registry, domain, adapter, 2):
        registry.promote(domain, version.number, **JUDGED)

    def roll_back(victim, n_calls):
        victim.rollback(domain, key="one night", **WHO)

    outcomes = []
    for _ in kill_everywhere(registry, roll_back):
        champion = registry.champion(domain)
        is_rolled_back = registry.history(domain)[-1].kind == "rollback"
        assert champion.number == ("1" if is_rolled_back else "2")
        assert aliases(registry, domain) == {"champion": champion.number}
        outcomes.append(is_rolled_back)
    assert outcomes == sorted(outcomes)
    assert outcomes[0] is False
    assert sum(event.kind == "rollback" for event in registry.history(domain)) == 1
