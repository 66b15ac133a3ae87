"""Whoever is killed between two calls to MLflow leaves the old state or the new one."""

import pytest

from tests.registry.acting import (
    check_that_a_killed_rollback_happened_or_did_not,
    kill_everywhere,
    register,
)


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
    check_that_a_killed_rollback_happened_or_did_not(registry, domain, adapter)
