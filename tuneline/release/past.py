"""What a ledger said at an earlier time, and what it says about one release or candidate. Pure.

Times are those of the writers' clocks. The chain, not the clock, orders events; so an event counts
from the latest time that it or an event before it carries.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tuneline.errors import RegistryError
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState, replay

MIN_DIGITS = 6
"""Of a candidate's digest, to name it."""


def parse_moment(text: str) -> datetime:
    """A time as ISO 8601; without an offset it is one of this machine's time zone.

    Raises:
        RegistryError: It is no time.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise RegistryError(
            f"'{text}' is no time; write 2026-11-02T10:00 (time zone of this machine), "
            "2026-11-02T10:00+08:00 or 2026-11-02T10:00Z"
        ) from error


def times(events: Sequence[Event]) -> list[datetime]:
    """When each event counts from; never earlier than the one before it."""
    found: list[datetime] = []
    for event in events:
        at = datetime.fromisoformat(event.at) if event.at else datetime.min.replace(tzinfo=UTC)
        found.append(max([at, *found[-1:]]))
    return found


def state_at(state: LedgerState, moment: datetime) -> LedgerState:
    """What the ledger said at a moment, by the writers' clocks."""
    counted = zip(times(state.events), state.events, strict=True)
    head = max((event.number for at, event in counted if at <= moment), default=0)
    return replay(e for e in (*state.events, *state.void) if e.number <= head)


def events_about(state: LedgerState, name: str) -> list[Event]:
    """What happened to a version, or to a candidate that never became one.

    Args:
        state: A domain's ledger.
        name: Release name, number or alias, or the first digits of a candidate's digest.

    Raises:
        RegistryError: The ledger has nothing of this name.
    """
    keys = [event for event in state.events if _candidate(event).startswith(name)]
    if is_candidate(name) and keys:
        versions = {event.to_version for event in keys} - {None}
        return [event for event in state.events if event in keys or event.to_version in versions]
    version = state.resolve(name)
    return [event for event in state.events if event.to_version == version]


def is_candidate(name: str) -> bool:
    """Whether a name can be the first digits of a candidate's digest."""
    return len(name) >= MIN_DIGITS and set(name) <= set("0123456789abcdef")


def _candidate(event: Event) -> str:
    """Digest of the candidate that a retraining registered, promoted or refused."""
    return event.key.partition(":")[2] if event.kind in ("register", "refuse", "promote") else ""
