"""Where a rollback goes."""

from tuneline.errors import RegistryError
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState, replay


def rollback_target(state: LedgerState, to: str | None = None) -> str:
    """Version that becomes champion again: the previous champion, or an earlier one by number.

    Raises:
        RegistryError: There is no champion, no earlier one, or `to` is none of them.
    """
    if state.champion is None:
        raise RegistryError("nothing to roll back: no version was promoted yet")
    if not state.previous:
        raise RegistryError(
            f"cannot roll back: version {state.champion} has no earlier champion; promote another"
        )
    if to is not None and to not in state.previous:
        earlier = ", ".join(reversed(state.previous))
        raise RegistryError(
            f"cannot roll back to version {to}: it is none of the earlier champions ({earlier}); "
            "promote it instead"
        )
    return to or state.previous[-1]


def withdrawal(state: LedgerState, version: str) -> Event | None:
    """The event that speaks against a version, where nothing has brought it back since.

    A rollback by two champions takes both out, the one that served and the one in between. A
    refusal of a version, and a test that keeps the champion, speak against it too.
    """
    against: Event | None = None
    for event in state.events:
        is_about = event.to_version == version
        is_judged = is_about and (event.kind == "refuse" or event.verdict == "keep")
        if is_judged or (event.kind == "rollback" and version in _taken_out(state, event)):
            against = event
        elif is_about and (event.moves_champion or event.kind == "approve"):
            against = None
    return against


def _taken_out(state: LedgerState, event: Event) -> tuple[str, ...]:
    events = (*state.events, *state.void)
    before = replay(e for e in events if e.number < event.number)
    after = replay(e for e in events if e.number <= event.number)
    return (*before.previous, str(before.champion))[len(after.previous) + 1 :]
