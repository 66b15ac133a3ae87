"""Promote and roll back by hand, through the gate."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks import gate
from tasks.release import whoami
from tuneline import tracking
from tuneline.errors import GateError
from tuneline.registry import Registry, Version
from tuneline.release.checks import GateCheck, approval_check, baseline_check


class Judged(NamedTuple):
    """A registered release, held to the gate as it is now."""

    version: Version
    checks: tuple[GateCheck, ...]
    head: int
    """Event of the ledger that was seen last."""

    @property
    def blocking(self) -> tuple[GateCheck, ...]:
        """What keeps it from promotion."""
        return tuple(check for check in self.checks if check.blocks)


def judge(registry: Registry, domain: str, name: str) -> Judged:
    """The checks that a release was registered with, and those that only now can tell.

    Raises:
        RegistryError: There is no such version, or its files are gone or damaged.
    """
    state = registry.state(domain)
    version = registry.find(domain, name)
    lineage = registry.lineage(version)
    checks = gate.stored_checks(lineage)
    if stored := lineage.get(gate.RECORD):
        champion = state.releases().get(state.champion or "")
        approval = state.approval(version.number)
        by = f"{approval.actor} on {approval.at}: {approval.reason}" if approval else None
        checks += (
            baseline_check(stored["measured_against"], champion),
            approval_check(stored["approval"], by, version.release),
        )
    return Judged(version, checks, state.head)


def promote(
    domain: str, name: str, reason: str, force: bool = False, actor: str | None = None
) -> Version:
    """Make a version champion where the gate lets it pass, or a person overrules the gate.

    The event signs what was measured: its evidence is the digest that the version was registered
    with, over scores, slices and the list of regressions.

    Args:
        domain: Such as `lawyer`.
        name: Release name, number or alias.
        reason: Why, for the history.
        force: Overrule checks that block; which ones stays in the history for ever.
        actor: Who promotes; default this user.

    Raises:
        GateError: A check blocks; names each, and what would change it.
    """
    registry = Registry(tracking.tracking_uri())
    judged = judge(registry, domain, name)
    blocking = judged.blocking
    if blocking and not force:
        raise GateError(refusal(judged))
    registry.verify(judged.version)
    forced = ", ".join(check.name for check in blocking)
    who = actor or whoami()
    registry.promote(
        domain, judged.version.number, actor=who, reason=reason,
        evidence=judged.version.evidence, expected_head=judged.head, forced=forced,
    )  # fmt: skip
    if forced:
        registry.annotate(judged.version, {"forced": f"{forced} overruled by {who}"})
    return champion_of(registry, domain)


def rollback(domain: str, reason: str, to: str | None = None) -> Version:
    """Return to the previous champion, or to the earlier one that is named; verified first."""
    registry = Registry(tracking.tracking_uri())
    registry.rollback(domain, actor=whoami(), reason=reason, to=to)
    return champion_of(registry, domain)


def refusal(judged: Judged) -> str:
    """Why a release is not promoted, and the ways out."""
    return (
        f"{judged.version.release} does not pass the gate: {told(judged.blocking)}. "
        "A person can overrule it with --force and a reason, which the history keeps for ever"
    )


def told(checks: Sequence[GateCheck]) -> str:
    """Checks in words: what each found, and what would change it."""
    return "; ".join(f"{c.name}: {c.result}, {c.found} ({c.way_out})" for c in checks)


def champion_of(registry: Registry, domain: str) -> Version:
    """The champion after a change."""
    champion = registry.champion(domain)
    assert champion is not None
    return champion
