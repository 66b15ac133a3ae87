"""What the registry's tests do: register versions, and kill whoever calls MLflow."""

from datetime import date

from tuneline import tracking
from tuneline.registry import Registry

DAY = date(2025, 4, 1)
WHO = {"actor": "ann", "reason": "a reason"}
JUDGED = {**WHO, "evidence": "digest"}


def register(registry, domain, adapter, candidate, lineage=None, **more):
    return registry.register(
        domain,
        adapter=adapter,
        candidate=candidate,
        day=DAY,
        lineage=lineage or {"base_model": "tiny", "data": {"n_train": 3}},
        run_id=tracking.open_run(domain, candidate),
        description="A test.",
        actor="ann",
        **more,
    )


def register_all(registry, domain, adapter, n):
    return [register(registry, domain, adapter, f"c{i}") for i in range(1, n + 1)]


def champion_and_challenger(registry, domain, adapter):
    """Version 1 as champion and version 2 as challenger."""
    champion, _ = register_all(registry, domain, adapter, 2)
    registry.promote(domain, champion.number, **JUDGED)


def aliases(registry, domain):
    found = registry.client.get_registered_model(domain).aliases
    return {alias: str(version) for alias, version in found.items()}


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class KilledClient:
    """An MLflow client whose process dies after so many calls."""

    def __init__(self, client, n_calls):
        self.client, self.left = client, n_calls

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **kwargs):
            if self.left == 0:
                raise Killed
            self.left -= 1
            return method(*args, **kwargs)

        return call


def kill_everywhere(registry, action):
    """Call `action(registry, n)` killed after n = 0, 1, 2, ... calls to MLflow, until it ends."""
    n_calls, is_done = 0, False
    while not is_done:
        victim = Registry(registry.uri)
        victim.client = KilledClient(victim.client, n_calls)
        try:
            action(victim, n_calls)
            is_done = True
        except Killed:
            pass
        yield n_calls
        n_calls += 1


def check_that_a_killed_rollback_happened_or_did_not(registry, domain, adapter):
    """Roll back, killed after each call to MLflow in turn; what is left is all or nothing."""
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
    assert registry.drift(domain) == []
