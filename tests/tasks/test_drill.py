"""A rehearsal of a rollback, on a real registry with a real adapter's files."""

from datetime import date

import pytest

from tasks.drill import rehearse
from tuneline import tracking
from tuneline.errors import RegistryError

SIGNED = {"actor": "ann", "reason": "better", "evidence": "digest"}


@pytest.fixture
def register(registry, request, trained):
    folder, _ = trained

    def register(candidate):
        domain = request.node.name
        return registry.register(
            domain,
            adapter=folder / "adapter",
            candidate=candidate,
            day=date(2025, 4, 1),
            lineage={},
            run_id=tracking.open_run(domain, candidate),
            description="",
            actor="ann",
        )

    return register


def test_a_drill_goes_back_and_forward_on_a_copy_and_leaves_the_domain_alone(registry, register):
    first, second = register("c1"), register("c2")
    domain = first.domain
    for version in (first, second):
        registry.promote(domain, version.number, **SIGNED)
    before = registry.history(domain)
    done = rehearse(domain)
    assert (done.served, done.returned) == (second.release, first.release)
    assert done.n_files >= 2
    assert registry.history(domain) == before
    kinds = [event.kind for event in registry.history(f"{domain}_drill")]
    assert kinds == ["register", "register", "promote", "promote", "rollback", "promote"]


def test_a_second_drill_registers_nothing_new(registry, register):
    only = register("c1")
    registry.promote(only.domain, only.number, **SIGNED)
    for _ in range(2):
        assert rehearse(only.domain).returned == only.release
    state = registry.state(f"{only.domain}_drill")
    assert len(state.releases()) == 2
    assert state.releases()[state.champion].startswith(f"v1.1-{only.domain}_drill-")


def test_a_domain_without_a_champion_has_nothing_to_rehearse(registry, register):
    domain = register("c1").domain
    with pytest.raises(RegistryError, match="no champion yet"):
        rehearse(domain)
