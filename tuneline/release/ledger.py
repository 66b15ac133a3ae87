"""The release ledger: which events of a domain are valid, and what follows from them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate

from tuneline.errors import RegistryError
from tuneline.release.event import Event


class OvertakenError(RegistryError):
    """Another writer changed what a decision rests on before the decision was written."""


@dataclass(frozen=True, slots=True)
class ABTest:
    """A test of the challenger against the champion, from its start to what ended it."""

    start: Event
    end: Event | None = None
    """Its `ab_end`, or what came from elsewhere: a promotion, a rollback, a refusal of the
    tested version, or another start."""

    @property
    def name(self) -> str:
        """Unique among the domain's tests."""
        return f"ab-{self.start.number}"

    @property
    def outcome(self) -> str:
        """`running`, the verdict, or what ended it from elsewhere."""
        if self.end is None:
            return "running"
        if self.end.kind == "ab_end":
            return self.end.verdict
        return f"ended from elsewhere by event {self.end.number}: {self.end.actor}, {self.end}"


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What a ledger says at its last valid event."""

    head: int = 0
    """Number of the last valid event; 0 for an empty ledger."""
    champion: str | None = None
    previous: tuple[str, ...] = ()
    """Earlier champions that a rollback can return to, the latest last."""
    challenger: str | None = None
    """Version registered last, until it is promoted or refused; during a test, the tested one."""
    events: tuple[Event, ...] = ()
    """Valid events in order."""
    void: tuple[Event, ...] = ()
    """Events that another writer was faster than; they changed nothing."""
    tests: tuple[ABTest, ...] = ()
    """A/B tests in the order of their start; at most the last one runs."""
    waiting: str | None = None
    """Version registered during the running test, the challenger once that has ended."""

    @property
    def running_test(self) -> ABTest | None:
        """The test that nothing has ended yet."""
        return self.tests[-1] if self.tests and self.tests[-1].end is None else None

    @property
    def last(self) -> Event | None:
        """The last event, valid or not."""
        ends = (*self.events[-1:], *self.void[-1:])
        return max(ends, key=lambda event: event.number, default=None)

    def by_key(self, key: str) -> Event | None:
        """The valid event with this key."""
        return next((event for event in self.events if event.key == key), None)

    def approval(self, version: str) -> Event | None:
        """Who approved a version, unless it was refused or rolled back later."""
        last: Event | None = None
        for event in self.events:
            is_said = event.kind in ("approve", "refuse") and event.to_version == version
            if is_said or (event.kind == "rollback" and event.from_version == version):
                last = event
        return last if last and last.kind == "approve" else None

    def champion_at(self, head: int) -> str | None:
        """Champion when this event was the last one."""
        return replay(e for e in (*self.events, *self.void) if e.number <= head).champion

    def releases(self) -> dict[str, str]:
        """Version -> release name, in the order of registration."""
        return {e.to_version: e.release for e in self.events if e.to_version and e.release}

    def resolve(self, name: str) -> str:
        """Version number of a release name, a number, `champion` or `challenger`.

        Raises:
            RegistryError: No version has this name.
        """
        releases = self.releases()
        named = {release: version for version, release in releases.items()}
        aliases = {"champion": self.champion, "challenger": self.challenger}
        version = aliases.get(name) or named.get(name, name)
        if version not in releases:
            raise RegistryError(f"no version '{name}'; there are: {', '.join(named) or 'none yet'}")
        return version


def replay(events: Iterable[Event], state: LedgerState | None = None) -> LedgerState:
    """Fold a ledger from its first event, or from the state that earlier ones have left.

    An event is valid if and only if it follows the last valid event before it. So of several
    writers that saw one head the first in the ledger wins, and every reader agrees on who that is.

    Raises:
        RegistryError: A number is missing: someone deleted an event.
    """
    ordered, state = sorted(events, key=lambda event: event.number), state or LedgerState()
    _check_numbers(ordered, state)
    return reduce(_apply, ordered, state)


def states(events: Iterable[Event]) -> Iterator[LedgerState]:
    """The state before the first event, and after each."""
    return accumulate(events, _apply, initial=LedgerState())


def _check_numbers(events: Iterable[Event], before: LedgerState) -> None:
    first = before.last.number + 1 if before.last else 1
    for expected, event in enumerate(events, start=first):
        if event.number != expected:
            raise RegistryError(
                f"ledger of {event.domain}: event {expected} is missing, someone deleted it; "
                "restore it from a backup of the MLflow database"
            )


def _apply(state: LedgerState, event: Event) -> LedgerState:
    if event.follows != state.head:
        return replace(state, void=(*state.void, event))
    state = replace(state, head=event.number, events=(*state.events, event))
    test = state.running_test
    if event.kind == "ab_end" and (test is None or test.start.to_version != event.to_version):
        return state  # written by hand: it ends nothing, so it moves nothing
    state = _judged(state, event)
    if test and _ends(test, event):
        state = _ended(state, test, event)
    return _moved(state, event)


def _moved(state: LedgerState, event: Event) -> LedgerState:
    """The state with the version that the event brings in."""
    if event.kind == "register":
        if state.running_test:
            return replace(state, waiting=event.to_version)
        return replace(state, challenger=event.to_version)
    if event.kind == "ab_start":
        return _started(state, event)
    if event.kind == "rollback":
        return _rolled_back(state, event)
    if event.moves_champion:
        earlier = (state.champion,) if state.champion else ()
        return replace(state, champion=event.to_version, previous=state.previous + earlier)
    return state


def _judged(state: LedgerState, event: Event) -> LedgerState:
    """A version that was promoted or refused is nobody's challenger any more."""
    if event.kind not in ("promote", "refuse") and event.verdict not in ("promote", "keep"):
        return state
    challenger = None if state.challenger == event.to_version else state.challenger
    waiting = None if state.waiting == event.to_version else state.waiting
    return replace(state, challenger=challenger, waiting=waiting)


def _started(state: LedgerState, event: Event) -> LedgerState:
    """The tested version is the challenger; another one waits for the end of the test."""
    waiting = state.challenger if state.challenger != event.to_version else None
    tests = (*state.tests, ABTest(event))
    return replace(state, tests=tests, challenger=event.to_version, waiting=waiting)


def _ends(test: ABTest, event: Event) -> bool:
    is_refused = event.kind == "refuse" and event.to_version == test.start.to_version
    return event.moves_champion or is_refused or event.kind in ("ab_start", "ab_end")


def _ended(state: LedgerState, test: ABTest, event: Event) -> LedgerState:
    """The test keeps what ended it; a version that waited for its end is the challenger."""
    tests = (*state.tests[:-1], replace(test, end=event))
    return replace(state, tests=tests, challenger=state.waiting or state.challenger, waiting=None)


def _rolled_back(state: LedgerState, event: Event) -> LedgerState:
    """The stack of earlier champions is cut at the latest mention of the new one."""
    kept = state.previous
    while kept and kept[-1] != event.to_version:
        kept = kept[:-1]
    return replace(state, champion=event.to_version, previous=kept[:-1])


def overtaken(state: LedgerState, event: Event) -> OvertakenError:
    """Tells the writer of a void event who won: whoever moved the champion, else the first."""
    later = [winner for winner in state.events if winner.number > event.follows]
    moves = [winner for winner in later if winner.moves_champion]
    winner = next(iter(moves or later), None)
    won = f"{winner.actor} was first with {winner}" if winner else "the ledger has no such event"
    return OvertakenError(f"{event} came too late after event {event.follows}: {won}; look again")
