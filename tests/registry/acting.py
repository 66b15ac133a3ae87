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
