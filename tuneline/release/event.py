"""One entry of the release ledger, and its form as tags in MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from tuneline.errors import RegistryError

EventKind = Literal[
    "register", "promote", "approve", "refuse", "rollback", "ab_start", "ab_end", "reconcile"
]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a domain's ledger; never changed once written."""

    kind: EventKind
    domain: str
    actor: str
    reason: str
    key: str
    """Two events with one key are one intent: the second is not carried out."""
    to_version: str | None = None
    """Version that the event is about; after a promotion or a rollback, the champion."""
    release: str | None = None
    """Release name that a registration gives to `to_version`."""
    evidence: str = ""
    """Digest of the reports that a decision rests on; of a registration, digest of its
    `lineage.json`, which holds the SHA-256 of every file."""
    from_version: str | None = None
    """Champion that the writer saw."""
    follows: int = 0
    """Number of the valid event that the writer saw last; 0 where it saw none."""
    at: str = ""
    """Time of writing by the writer's clock, ISO 8601 in UTC; it orders nothing."""
    number: int = 0
    """Position in the ledger, from 1, without gaps; MLflow gives it on writing."""
    plan: str = ""
    """Settings of the A/B test that an `ab_start` begins, as JSON."""
    verdict: str = ""
    """What an `ab_end` decides: promote, keep or cannot tell."""
    seal: str = ""
    """Digest of the valid event that this one follows, as its writer saw it."""
    forced: str = ""
    """Checks of the gate that a promotion overruled, by name; empty where it passed them all."""

    def __post_init__(self) -> None:
        if not self.actor or not self.key:
            raise RegistryError(f"{self.kind} of {self.domain}: an event needs an actor and a key")

    @property
    def moves_champion(self) -> bool:
        """Whether `to_version` becomes champion where the event is valid."""
        is_won_test = self.kind == "ab_end" and self.verdict == "promote"
        return is_won_test or self.kind in ("promote", "rollback")

    def __str__(self) -> str:
        change = f"{self.from_version or 'none'} -> {self.to_version}"
        moved = change if self.moves_champion else f"version {self.to_version}"
        return f"{self.kind} of {self.domain}, {moved} ({self.why})"

    @property
    def why(self) -> str:
        """The reason, and what it overruled."""
        forced = f"FORCED past {self.forced}: " if self.forced else ""
        return f"{forced}{self.reason or 'no reason given'}"


def to_tags(event: Event) -> dict[str, str]:
    """An event as tags; its number is not among them, and what it lacks is left out."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    del values["number"]
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def from_tags(domain: str, number: int, tags: Mapping[str, str]) -> Event:
    """Read what `to_tags` wrote.

    Raises:
        RegistryError: A tag is missing or wrong: someone edited or added an event by hand.
    """
    names = {field.name for field in fields(Event)}
    values: dict[str, Any] = {"reason": ""} | {k: v for k, v in tags.items() if k in names}
    try:
        values |= {"domain": domain, "number": number, "follows": int(tags["follows"])}
        event = Event(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError(
            f"ledger of {domain}: event {number} was edited by hand ({error}); put its tags back"
        ) from error
    if event.kind not in get_args(EventKind):
        raise RegistryError(
            f"ledger of {domain}: only a newer Tuneline knows '{event.kind}' of event {number}"
        )
    return event
