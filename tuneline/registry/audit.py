"""Everything that MLflow says of a domain, held against its ledger; changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuneline.entries import search_entries
from tuneline.errors import RegistryError
from tuneline.registry import verification
from tuneline.registry.chain import read_all
from tuneline.registry.mirroring import find_differences
from tuneline.registry.versions import read_version
from tuneline.release.ledger import LedgerState
from tuneline.release.seals import broken_seals

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the ledger has it."""

    kind: Literal["late", "by hand", "ledger", "files", "gone", "unknown"]
    """late: a killed writer left it, the next one mends it. by hand: an alias or a release name
    that somebody changed. ledger: an event that was edited or deleted. files: not those that were
    registered. gone: a version that somebody deleted. unknown: one without a release name."""
    found: str
    way_out: str

    @property
    def is_tampering(self) -> bool:
        """Whether somebody changed what nobody may change; else a killed writer explains it."""
        return self.kind not in ("late", "unknown")


def audit(
    client: "MlflowClient", uri: str, domain: str, names: Sequence[str] | None = None
) -> tuple[Finding, ...]:
    """Hold ledger, release names, aliases and files against each other.

    Args:
        client: Of the registry.
        uri: Of the MLflow server.
        domain: Registered model.
        names: Versions whose files are compared, which takes a download from a remote server;
            unset: all.
    """
    try:
        state = read_all(client, domain)
    except RegistryError as error:
        return (Finding("ledger", str(error), "restore the MLflow database from a backup"),)
    numbers = [state.resolve(name) for name in names] if names else list(state.releases())
    return (
        *_ledger(state),
        *_mirror(client, domain, state),
        *_files(client, uri, domain, state, numbers),
    )


def _ledger(state: LedgerState) -> Iterator[Finding]:
    for sentence in broken_seals(state):
        yield Finding("ledger", sentence, "restore the MLflow database from a backup")


def _mirror(client: "MlflowClient", domain: str, state: LedgerState) -> Iterator[Finding]:
    for wrong in find_differences(client, domain, state):
        if wrong.is_by_hand:
            way_out = f"`tuneline verify {domain} --reconcile` lets MLflow say what the ledger says"
            yield Finding("by hand", str(wrong), way_out)
        else:
            yield Finding("late", str(wrong), "the next command mends it")
    present = {str(entry.version) for entry in search_entries(client, domain)}
    for number, release in state.releases().items():
        if number not in present:
            yield Finding(
                "gone",
                f"{release} (version {number}) was deleted from MLflow",
                "restore the MLflow database from a backup, or release the candidate again",
            )
    for number in sorted(present - state.releases().keys(), key=int):
        yield Finding(
            "unknown",
            f"version {number} has no release name: its registration was killed, or it was added "
            "by hand",
            "retrain the candidate again to finish it, or delete the version",
        )


def _files(
    client: "MlflowClient", uri: str, domain: str, state: LedgerState, numbers: Sequence[str]
) -> Iterator[Finding]:
    for number in numbers:
        try:
            version = read_version(client, domain, state, number)
        except RegistryError:
            continue  # told as gone
        try:
            verification.verify(uri, version, state)
        except RegistryError as error:
            yield Finding("files", str(error), "restore the files, or choose another version")
