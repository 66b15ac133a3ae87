"""How an adapter becomes a version with a release name."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.entries import add_entry
from tuneline.errors import RegistryError
from tuneline.registry import artifacts
from tuneline.registry.versions import number_of, read_version
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState
from tuneline.release.major import major_changes
from tuneline.release.planning import Plan, plan_registration

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


def add_version(
    client: "MlflowClient",
    domain: str,
    adapter: Path,
    candidate: str,
    lineage: Mapping[str, Any],
    run_id: str,
    description: str,
    card: str = "",
) -> str:
    """Number of the candidate's version in MLflow, which is made where there is none."""
    if number := number_of(client, domain, candidate):
        return number
    model = artifacts.upload(client, domain, adapter, candidate, lineage, run_id, card)
    tags = {"candidate": candidate, **artifacts.short_tags(lineage)}
    more = {"run_id": run_id, "model_id": model.model_id, "description": description}
    return add_entry(client, domain, model.artifact_location, tags, **more)


def plan_release(
    client: "MlflowClient", uri: str, lineage: Mapping[str, Any], day: date, is_major: bool
) -> Plan:
    """Give the next release name, a major one where it is asked for or the lineage says so."""

    def plan(state: LedgerState, event: Event) -> Event:
        asked = ("major: asked for",) if is_major else ()
        before = _last_lineage(client, uri, event.domain, state)
        reasons = (*asked, *(f"major: {change}" for change in major_changes(before, lineage)))
        named = replace(event, reason="; ".join(reasons))
        return plan_registration(day, bool(reasons))(state, named)

    return plan


def _last_lineage(
    client: "MlflowClient", uri: str, domain: str, state: LedgerState
) -> Mapping[str, Any]:
    """Of the last release; empty where there is none, or nobody can read it any more."""
    if not (releases := state.releases()):
        return {}
    try:
        last = read_version(client, domain, state, list(releases)[-1])
        return artifacts.read_lineage(uri, last.source)
    except RegistryError as error:
        log.warning("registry: domain=%s next release is compared with nothing: %s", domain, error)
        return {}
