"""What serves, what waits, and what comes next, of every domain."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.drill import SUFFIX
from tuneline.errors import ProfileError
from tuneline.profile import load_profile
from tuneline.registry import Registry
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState

log = logging.getLogger(__name__)

JUDGES = ("promote", "refuse", "approve", "rollback")
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))
MAX_RUNS = 200


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """One domain as it is now; times are ISO 8601 in UTC."""

    domain: str
    champion: str | None
    champion_since: str | None
    challenger: str | None
    challenger_since: str | None
    verdict: str | None
    """Last one: promote, refuse, cannot tell, rollback, or what an A/B test said."""
    verdict_at: str | None
    running_test: str | None
    running_since: str | None
    next_run: str | None = None
    """Next scheduled retraining; None where none is scheduled or no Prefect server answers."""


def domains(registry: Registry) -> list[str]:
    """Every domain but the copies for rehearsals."""
    return [name for name in registry.domains() if not name.endswith(SUFFIX)]


def read(registry: Registry, names: Iterable[str], next_runs: dict[str, str]) -> list[DomainStatus]:
    """The status of each domain.

    Args:
        registry: Where they are.
        names: Domains.
        next_runs: Domain -> time, as `scheduled` gives them.
    """
    return [_status(registry, name, next_runs.get(name)) for name in names]


def scheduled() -> dict[str, str]:
    """Domain -> its next scheduled retraining, from the Prefect server that is set."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowFilter,
        FlowFilterName,
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=MAX_RUNS,
        )
    found: dict[str, str] = {}
    for run in runs:
        domain = _domain_of(str((run.parameters or {}).get("profile")))
        if domain and run.expected_start_time:
            at = run.expected_start_time.astimezone(UTC).isoformat(timespec="seconds")
            found.setdefault(domain, at)
    return found


def rows(found: Iterable[DomainStatus], now: datetime) -> list[dict[str, str]]:
    """The status as a table."""
    return [
        {
            "domain": one.domain,
            "champion": _aged(one.champion, one.champion_since, now),
            "challenger": _aged(one.challenger, one.challenger_since, now),
            "last verdict": _aged(one.verdict, one.verdict_at, now),
            "A/B test": _aged(one.running_test, one.running_since, now),
            "next retraining": one.next_run or "none known",
        }
        for one in found
    ]


def as_json(found: Iterable[DomainStatus]) -> list[dict[str, Any]]:
    """The status, JSON-ready."""
    return [asdict(one) for one in found]


def age(since: str, now: datetime) -> str:
    """`3 days`, `1 hour`, or `just now`."""
    passed_s = (now - datetime.fromisoformat(since)).total_seconds()
    for unit, unit_s in UNITS:
        if passed_s >= unit_s:
            n = int(passed_s // unit_s)
            return f"{n} {unit}{'s' if n > 1 else ''}"
    return "just now"


def _status(registry: Registry, domain: str, next_run: str | None) -> DomainStatus:
    state = registry.state(domain)
    releases, test = state.releases(), state.running_test
    verdict, verdict_at = _last_verdict(registry, domain, state)
    return DomainStatus(
        domain=domain,
        champion=releases.get(state.champion or ""),
        champion_since=_at(e for e in state.events if e.moves_champion),
        challenger=releases.get(state.challenger or ""),
        challenger_since=_at(
            e for e in state.events if e.kind == "register" and e.to_version == state.challenger
        ),
        verdict=verdict,
        verdict_at=verdict_at,
        running_test=test.name if test else None,
        running_since=test.start.at if test else None,
        next_run=next_run,
    )


def _last_verdict(
    registry: Registry, domain: str, state: LedgerState
) -> tuple[str | None, str | None]:
    """What was said last; a registration that nothing followed tells its gate's verdict."""
    for event in reversed(state.events):
        if event.kind in JUDGES:
            return ("FORCED promote" if event.forced else event.kind), event.at
        if event.kind == "ab_end":
            return f"A/B test: {event.verdict}", event.at
        if event.kind == "register":
            tags = registry.client.get_model_version(domain, str(event.to_version)).tags
            if said := tags.get("lineage.verdict"):
                return said, event.at
    return None, None


def _at(events: Iterable[Event]) -> str | None:
    found = [event.at for event in events]
    return found[-1] if found else None


def _domain_of(profile: str) -> str | None:
    try:
        return load_profile(profile).domain
    except ProfileError as error:
        log.info("status: the schedule of profile %s is not shown: %s", profile, error)
        return None


def _aged(name: str | None, since: str | None, now: datetime) -> str:
    if name is None:
        return "none"
    return f"{name}, {age(since, now)}" if since else name
