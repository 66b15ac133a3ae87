"""Release tags and aliases in MLflow, held against the ledger, and mended where they are late."""

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tuneline.entries import MAX_TRIES, search_entries
from tuneline.registry.chain import read_state
from tuneline.release.ledger import LedgerState
from tuneline.release.mirror import Mirror, WrongAlias, WrongTag, differences

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

SEEN_RIGHT = "ledger.mirrored"
"""Tag of the registered model: the event up to which its aliases were seen to be right."""
BEING_SET = "ledger.setting."
"""Beginning of the registered model's tags in which writers say which aliases they will set."""
LONG_AGO_S = 3600.0
SETTLE_S, MAX_SETTLING = 0.1, 2
"""Another writer may set an alias late and mend it at once; what is still so after these looks was
done by hand."""


def find_differences(
    client: "MlflowClient", domain: str, state: LedgerState
) -> list[WrongTag | WrongAlias]:
    """Tags and aliases that say something else than the ledger; changes nothing."""
    return list(differences(state, read_mirror(client, domain))) if state.releases() else []


def read_mirror(client: "MlflowClient", domain: str) -> Mirror:
    """What MLflow says of a domain that has a version."""
    entries = search_entries(client, domain)
    tags = {str(entry.version): entry.tags.get("release") for entry in entries}
    model = client.get_registered_model(domain)
    aliases = {name: str(version) for name, version in model.aliases.items()}
    settings = (json.loads(text)["set"] for text in _being_set(model.tags).values())
    being_set = frozenset((alias, version) for pairs in settings for alias, version in pairs)
    return Mirror(tags, aliases, int(model.tags.get(SEEN_RIGHT, 0)), being_set)


def mend(client: "MlflowClient", domain: str, *, by_hand: bool = False) -> LedgerState:
    """Make tags and aliases say what the ledger says; returns what that is.

    The ledger is read again after every change, so that the last of several menders leaves the
    newest state behind. What somebody changed by hand is reported and left alone, unless it is
    asked for.

    Args:
        client: Of the registry.
        domain: Registered model.
        by_hand: Whether to undo what was changed by hand, too.
    """
    intent, n_settling = _Intent(client, domain), 0
    for _ in range(MAX_TRIES):
        state = read_state(client, domain)
        if not state.releases():
            return state
        mirror = read_mirror(client, domain)
        wrong = list(differences(state, mirror))
        mendable = [found for found in wrong if by_hand or not found.is_by_hand]
        intent.declare(mendable)
        for difference in mendable:
            log.info("registry: domain=%s mending: %s", domain, difference)
            _mend(client, domain, difference)
        if not wrong:
            _note_right(client, domain, mirror, state.head)
            intent.withdraw()
            return state
        if not mendable:
            n_settling += 1
            if n_settling > MAX_SETTLING:
                intent.withdraw()
                break
            time.sleep(SETTLE_S)
    _report(domain, wrong)
    return state


class _Intent:
    """Which aliases a mender is about to set: an alias that it sets late is then nobody's hand."""

    def __init__(self, client: "MlflowClient", domain: str) -> None:
        self.client, self.domain = client, domain
        self.tag = f"{BEING_SET}{uuid.uuid4().hex}"
        self.pairs: set[tuple[str, str | None]] = set()

    def declare(self, mendable: Sequence[WrongTag | WrongAlias]) -> None:
        """Tell of it before it is done."""
        new = {(w.alias, w.wanted) for w in mendable if isinstance(w, WrongAlias)} - self.pairs
        if new:
            self.pairs |= new
            pairs = sorted(self.pairs, key=str)
            text = json.dumps({"set": pairs, "at": int(time.time())})
            self.client.set_registered_model_tag(self.domain, self.tag, text)

    def withdraw(self) -> None:
        """Done, and seen to be right; what killed writers left long ago goes as well."""
        tags = self.client.get_registered_model(self.domain).tags if self.pairs else {}
        for tag, text in _being_set(tags).items():
            if tag == self.tag or json.loads(text)["at"] < time.time() - LONG_AGO_S:
                self.client.delete_registered_model_tag(self.domain, tag)


def _being_set(tags: Mapping[str, str]) -> dict[str, str]:
    return {tag: text for tag, text in tags.items() if tag.startswith(BEING_SET)}


def _note_right(client: "MlflowClient", domain: str, mirror: Mirror, head: int) -> None:
    """Of two writers of this tag the slower one may leave the lower number: it forgives more."""
    if mirror.seen_right != head:
        client.set_registered_model_tag(domain, SEEN_RIGHT, str(head))


def _report(domain: str, wrong: Sequence[WrongTag | WrongAlias]) -> None:
    changed = "; ".join(str(found) for found in wrong if found.is_by_hand)
    if changed:
        log.warning(
            "%s: changed by hand: %s; the ledger holds; `tuneline verify %s --reconcile` makes "
            "MLflow say the same",
            *(domain, changed, domain),
        )


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
