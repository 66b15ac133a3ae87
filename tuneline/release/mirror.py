"""Where MLflow's own tags and aliases say something else than the ledger, and who made them so.

Whoever writes an event sets the aliases after it, and may be killed between the two. So an alias on
a version that the ledger wanted there since the mirror was last seen to be right is only late, and
is mended; so is one where a slow writer said it would set it. Any other place, and any other
release name, somebody chose by hand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuneline.release.ledger import LedgerState, states

ALIASES = ("challenger", "champion")
"""In the order of their change: a promoted version is never seen under both."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What MLflow's own tags and aliases say."""

    tags: Mapping[str, str | None]
    """Version -> its tag `release`."""
    aliases: Mapping[str, str]
    """Alias -> version."""
    seen_right: int = 0
    """Event up to which the aliases were last seen to follow the ledger."""
    being_set: frozenset[tuple[str, str | None]] = frozenset()
    """(alias, version) that a writer said it would set, and has not yet seen to be right."""


@dataclass(frozen=True, slots=True)
class WrongTag:
    """A version whose tag `release` differs from the name in the ledger."""

    version: str
    given: str | None
    wanted: str

    @property
    def is_by_hand(self) -> bool:
        """Whether somebody wrote it; a missing name is that of a killed registration."""
        return self.given is not None

    def __str__(self) -> str:
        return f"tag release of version {self.version} is {self.given}, not {self.wanted}"


@dataclass(frozen=True, slots=True)
class WrongAlias:
    """An alias that differs from the ledger."""

    alias: str
    given: str | None
    """Version that it is on; None where it is not set."""
    wanted: str | None
    is_by_hand: bool = False
    """Whether the ledger never wanted it there since the mirror was last right."""

    def __str__(self) -> str:
        return f"alias {self.alias} is on version {self.given}, not on {self.wanted}"


def differences(state: LedgerState, mirror: Mirror) -> Iterator[WrongTag | WrongAlias]:
    """Where tags and aliases do not follow the ledger, in the order in which to mend them."""
    for version, release in state.releases().items():
        if version in mirror.tags and mirror.tags[version] != release:
            yield WrongTag(version, mirror.tags[version], release)
    for alias in ALIASES:
        given, wanted = mirror.aliases.get(alias), _wanted(state, alias, mirror)
        if given != wanted:
            yield WrongAlias(alias, given, wanted, not _is_late(state, alias, mirror))


def _wanted(state: LedgerState, alias: str, mirror: Mirror) -> str | None:
    number = state.champion if alias == "champion" else state.challenger
    return number if number in mirror.tags else None  # a deleted version takes no alias


def _is_late(state: LedgerState, alias: str, mirror: Mirror) -> bool:
    given = mirror.aliases.get(alias)
    if (alias, given) in mirror.being_set:
        return True
    since = (earlier for earlier in states(state.events) if earlier.head >= mirror.seen_right)
    return any(_wanted(earlier, alias, mirror) == given for earlier in since)
