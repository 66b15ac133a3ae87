"""Where MLflow's own tags and aliases say something else than the ledger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tuneline.release.ledger import LedgerState

ALIASES = ("challenger", "champion")
"""In the order of their change: a promoted version is never seen under both."""


@dataclass(frozen=True, slots=True)
class WrongTag:
    """A version whose tag `release` differs from the name in the ledger."""

    version: str
    given: str | None
    wanted: str

    def __str__(self) -> str:
        return f"tag release of version {self.version} is {self.given}, not {self.wanted}"


@dataclass(frozen=True, slots=True)
class WrongAlias:
    """An alias that differs from the ledger."""

    alias: str
    given: str | None
    """Version that it is on; None where it is not set."""
    wanted: str | None

    def __str__(self) -> str:
        return f"alias {self.alias} is on version {self.given}, not on {self.wanted}"


def differences(
    state: LedgerState, tags: Mapping[str, str | None], aliases: Mapping[str, str]
) -> Iterator[WrongTag | WrongAlias]:
    """Where tags and aliases do not follow the ledger, in the order in which to mend them.

    Args:
        state: What the ledger says.
        tags: Version -> its tag `release`.
        aliases: Alias -> version.
    """
    for version, release in state.releases().items():
        if version in tags and tags[version] != release:
            yield WrongTag(version, tags[version], release)
    for alias, number in zip(ALIASES, (state.challenger, state.champion), strict=True):
        wanted = number if number in tags else None  # a deleted version takes no alias
        if aliases.get(alias) != wanted:
            yield WrongAlias(alias, aliases.get(alias), wanted)
