"""A domain's ledger in MLflow: read from its first event on, written by compare-and-swap."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tuneline.entries import add_entry, search_entries
from tuneline.release.event import Event, from_tags, to_tags
from tuneline.release.ledger import LedgerState, OvertakenError, overtaken, replay
from tuneline.release.planning import Plan
from tuneline.release.seals import seal_of
from tuneline.release.version import check_domain

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

EVENT_SOURCE = "tuneline-ledger:/event"
"""MLflow wants a source for every version; an event has no files."""
MAX_ATTEMPTS = 100
"""Writes lost to other writers before one gives up."""


_read: WeakKeyDictionary[Any, dict[str, LedgerState]] = WeakKeyDictionary()
"""Client -> domain -> its ledger as it was read last."""


def read_state(client: "MlflowClient", domain: str) -> LedgerState:
    """Champion, challenger and events of a domain, as its ledger tells them.

    Events never change, so a process reads each of them once: while the last one is as it was, only
    those behind it are fetched. What was edited or deleted before it is for `read_all` to find.
    """
    read = _read.setdefault(client, {})
    known = read.get(domain)
    state = _read_on(client, domain, known) if known and known.last else None
    read[domain] = state or read_all(client, domain)
    return read[domain]


def read_all(client: "MlflowClient", domain: str) -> LedgerState:
    """The same from the first event on.

    Raises:
        RegistryError: A number is missing: someone deleted an event.
    """
    check_domain(domain)
    return replay(_events(client, domain))


def _read_on(client: "MlflowClient", domain: str, known: LedgerState) -> LedgerState | None:
    """The ledger behind what is known; None where that is not there any more."""
    assert known.last is not None
    found = _events(client, domain, known.last.number)
    return replay(found[1:], known) if found[:1] == [known.last] else None


def _events(client: "MlflowClient", domain: str, first: int = 1) -> list[Event]:
    behind = f" and version_number >= {first}" if first > 1 else ""
    entries = search_entries(client, f"{domain}-ledger", behind)
    return [from_tags(domain, int(entry.version), entry.tags) for entry in entries]


def append(client: "MlflowClient", event: Event) -> Event:
    """Write one event if `event.follows` is still the head; its number is given by MLflow.

    Returns:
        The event as written, or the valid one that carries the same key.

    Raises:
        OvertakenError: Another writer was first; the message says who.
    """
    add_entry(client, f"{event.domain}-ledger", EVENT_SOURCE, to_tags(event))
    state = read_state(client, event.domain)
    if written := state.by_key(event.key):
        log.info("registry: event=%d %s", written.number, written)
        return written
    raise overtaken(state, event)


def write(
    client: "MlflowClient",
    event: Event,
    plan: Plan,
    check: Callable[[LedgerState, Event], None],
    expected_head: int | None = None,
) -> Event:
    """Append an event once per key.

    Losing to an event that left the champion alone takes nothing from a decision, which is then
    written again; a registration does not rest on the champion at all.

    Args:
        client: Of the registry.
        event: What is intended.
        plan: Completes it for the state that it follows.
        check: Called before each try with the state and the completed event; raises to stop.
        expected_head: Event that the decision saw last; unset: now.

    Raises:
        RegistryError: The plan or the check refuses, or another writer moved the champion.
    """
    state = read_state(client, event.domain)
    seen = state.head if expected_head is None else expected_head
    for _ in range(MAX_ATTEMPTS):
        if written := state.by_key(event.key):
            return written
        if event.kind != "register" and state.champion != state.champion_at(seen):
            raise overtaken(state, replace(event, follows=seen))
        planned = plan(state, _after(state, event))
        check(state, planned)
        try:
            return append(client, planned)
        except OvertakenError as error:
            lost = error
        time.sleep(random.uniform(0, 0.05))
        state = read_state(client, event.domain)
    raise lost


def _after(state: LedgerState, event: Event) -> Event:
    """The event as it is written on top of a state."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(
        event, follows=state.head, from_version=state.champion, at=at, seal=seal_of(state)
    )
