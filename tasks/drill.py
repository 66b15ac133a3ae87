"""A rehearsal of a rollback: back and forward on a copy of a domain, timed."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.release import whoami
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.registry import LINEAGE, Registry, Version
from tuneline.store import workspace

SUFFIX = "_drill"
"""Of the companion domain: it lies in the same MLflow, so the drill takes as long as the case."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What a rehearsal took."""

    domain: str
    """The copy."""
    served: str
    """Release whose copy was champion at first."""
    returned: str
    """Release whose copy the rollback returned."""
    n_files: int
    """Files of it that were verified by SHA-256."""
    rollback_s: float
    """Verify, write the event, move the aliases; the connection was open."""
    forward_s: float
    """Promote the first one again."""


def rehearse(domain: str) -> Drill:
    """Copy the champion and the one before, roll back, and promote forward again.

    Nothing of the domain itself changes. The copies are registered once, and used by every drill.

    Raises:
        RegistryError: There is no champion; or what a real rollback would raise.
    """
    registry = Registry(tracking.tracking_uri())
    state = registry.state(domain)
    if state.champion is None:
        raise RegistryError(f"{domain} has no champion yet, so there is nothing to rehearse")
    served = registry.find(domain, state.champion)
    earlier = registry.find(domain, state.previous[-1]) if state.previous else served
    returning, serving = _copy(registry, earlier, "previous"), _copy(registry, served, "champion")
    _put_in_service(registry, returning)
    _put_in_service(registry, serving)
    signed: dict[str, Any] = {"actor": whoami(), "reason": "drill"}
    rollback_s = _timed(lambda: registry.rollback(serving.domain, **signed))
    _check(registry, returning)
    forward_s = _timed(
        lambda: registry.promote(serving.domain, serving.number, evidence="", **signed)
    )
    _check(registry, serving)
    n_files = registry.verify(returning)
    return Drill(serving.domain, served.release, earlier.release, n_files, rollback_s, forward_s)


def _copy(registry: Registry, version: Version, role: str) -> Version:
    folder = registry.download(version, workspace() / "downloads")
    files = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))["files"]
    domain, candidate = f"{version.domain}{SUFFIX}", f"{role} {version.release}"
    return registry.register(
        domain,
        adapter=folder,
        candidate=candidate,
        day=datetime.now(UTC).date(),
        lineage={"drill_of": version.release, "n_files": len(files)},
        run_id=tracking.open_run(domain, candidate),
        description=f"Copy of {version.release} for rehearsals; serve it nowhere.",
        actor=whoami(),
    )


def _put_in_service(registry: Registry, version: Version) -> None:
    if registry.state(version.domain).champion != version.number:
        registry.promote(
            version.domain, version.number, actor=whoami(), reason="drill", evidence=""
        )


def _check(registry: Registry, version: Version) -> None:
    """The alias that servers read must have moved."""
    found = registry.client.get_model_version_by_alias(version.domain, "champion")
    if str(found.version) != version.number:
        raise RegistryError(
            f"{version.domain}: the alias champion is on version {found.version} and not on "
            f"{version.number}; run `tuneline verify {version.domain}`"
        )


def _timed(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started
