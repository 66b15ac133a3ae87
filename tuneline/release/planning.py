"""What an intended event becomes on top of a state, or why it cannot be written."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from tuneline.errors import RegistryError
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState
from tuneline.release.rollback import rollback_target
from tuneline.release.version import ReleaseName, next_release

Plan = Callable[[LedgerState, Event], Event]
"""Completes an event for the state that it will follow, or raises RegistryError."""


def plan_registration(day: date, is_major: bool) -> Plan:
    """The next free release name; of two writers the loser asks again and gets another."""

    def plan(state: LedgerState, event: Event) -> Event:
        given = map(ReleaseName.parse, state.releases().values())
        return replace(event, release=str(next_release(given, event.domain, day, is_major)))

    return plan


def plan_promotion(state: LedgerState, event: Event) -> Event:
    """Any version but the champion can be promoted."""
    if state.champion == event.to_version:
        raise RegistryError(f"version {state.champion} of {event.domain} is champion already")
    return event


def plan_refusal(state: LedgerState, event: Event) -> Event:
    """Every version can be refused, the champion too: it stays champion."""
    return event


def plan_reconciliation(state: LedgerState, event: Event) -> Event:
    """It is always allowed to let MLflow say what the ledger says."""
    return replace(event, to_version=state.champion)


def plan_ab_start(state: LedgerState, event: Event) -> Event:
    """One test at a time, of a version that is not the champion against the champion."""
    if test := state.running_test:
        raise RegistryError(
            f"{event.domain}: {test.name} is running since {test.start.at}; "
            f"end it with `tuneline ab stop {event.domain}`, or wait for its verdict"
        )
    if state.champion is None:
        raise RegistryError(f"{event.domain} has no champion to test against; promote one first")
    if state.champion == event.to_version:
        raise RegistryError(f"version {state.champion} of {event.domain} is champion; test another")
    return event


def plan_ab_end(name: str) -> Plan:
    """End the test of this name, and no other one."""

    def plan(state: LedgerState, event: Event) -> Event:
        test = next((test for test in state.tests if test.name == name), None)
        if test is None:
            raise RegistryError(f"{event.domain} has no A/B test '{name}'")
        if test.end is not None:
            raise RegistryError(f"{event.domain}: {name} is over: {test.outcome}")
        return replace(event, to_version=test.start.to_version)

    return plan


def plan_rollback(state: LedgerState, event: Event) -> Event:
    """To the version asked for, else to the previous champion."""
    return replace(event, to_version=rollback_target(state, event.to_version))
