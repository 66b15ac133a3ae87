"""Release tags and aliases in MLflow, held against the ledger and mended."""

import logging
from typing import TYPE_CHECKING

from tuneline.entries import MAX_TRIES, search_entries
from tuneline.registry.chain import read_state
from tuneline.release.ledger import LedgerState
from tuneline.release.mirror import WrongAlias, WrongTag, differences

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


def find_differences(
    client: "MlflowClient", domain: str, state: LedgerState
) -> list[WrongTag | WrongAlias]:
    """Tags and aliases that say something else than the ledger; changes nothing."""
    if not state.releases():
        return []
    entries = search_entries(client, domain)
    tags = {str(entry.version): entry.tags.get("release") for entry in entries}
    aliases = client.get_registered_model(domain).aliases
    return list(differences(state, tags, {name: str(v) for name, v in aliases.items()}))


def mend(client: "MlflowClient", domain: str) -> LedgerState:
    """Make tags and aliases say what the ledger says; returns what that is.

    The ledger is read again after every change, so that the last of several menders leaves the
    newest state behind.
    """
    for _ in range(MAX_TRIES):
        state = read_state(client, domain)
        wrong = find_differences(client, domain, state)
        for difference in wrong:
            log.info("registry: domain=%s mending: %s", domain, difference)
            _mend(client, domain, difference)
        if not wrong:
            break
    return state


def _mend(client: "MlflowClient", domain: str, wrong: WrongTag | WrongAlias) -> None:
    """Fails softly: the ledger stands, and the mirror waits for the next one to come by."""
    from mlflow.exceptions import MlflowException

    try:
        if isinstance(wrong, WrongTag):
            client.set_model_version_tag(domain, wrong.version, "release", wrong.wanted)
        elif wrong.wanted is None:
            client.delete_registered_model_alias(domain, wrong.alias)
        else:
            client.set_registered_model_alias(domain, wrong.alias, wrong.wanted)
    except MlflowException as error:
        first_line = str(error).partition("\n")[0]
        log.warning("registry: domain=%s cannot mend: %s: %s", domain, wrong, first_line)
