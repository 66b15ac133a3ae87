"""A chain of digests through the ledger: an event that was edited does not fit the next. Pure.

Whoever may write to MLflow may still forge every later event too; the seals show the edit that
somebody makes to one of them.
"""

from collections.abc import Iterator

from tuneline.release.event import Event, to_tags
from tuneline.release.ledger import LedgerState
from tuneline.store import digest_of


def seal_of(state: LedgerState) -> str:
    """What the next event carries: digest of the last valid one, which carries that of its own."""
    return event_digest(state.events[-1]) if state.events else ""


def event_digest(event: Event) -> str:
    """SHA-256 over number and tags of an event."""
    return digest_of({**to_tags(event), "number": event.number})


def broken_seals(state: LedgerState) -> Iterator[str]:
    """Events that do not fit each other, in words; the last event has none that could tell."""
    is_sealed = False
    for before, after in zip(state.events, state.events[1:], strict=False):
        is_sealed = is_sealed or bool(after.seal)
        if is_sealed and after.seal != event_digest(before):
            yield (
                f"event {after.number} was not written after event {before.number} as it is now: "
                "one of the two was edited"
            )
