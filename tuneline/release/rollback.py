"""Where a rollback goes."""

from tuneline.errors import RegistryError
from tuneline.release.ledger import LedgerState


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
