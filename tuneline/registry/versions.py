"""Versions of a domain's registered model, as MLflow keeps them and the ledger names them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tuneline.entries import search_entries
from tuneline.errors import RegistryError
from tuneline.release.ledger import LedgerState

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class Version:
    """A registered adapter."""

    domain: str
    number: str
    """Version number that MLflow gave."""
    release: str
    run_id: str
    """MLflow run that trained it."""
    candidate: str
    """Digest that identifies the adapter."""
    source: str
    """URI of the artifacts."""
    created: str
    """ISO 8601 in UTC."""
    evidence: str = ""
    """Digest of the numbers that were decided on when it was registered; empty where unknown."""


def read_version(client: "MlflowClient", domain: str, state: LedgerState, number: str) -> Version:
    """A registered version by its number.

    Raises:
        RegistryError: MLflow has no such version: someone deleted it.
    """
    from mlflow.exceptions import MlflowException

    try:
        entry = client.get_model_version(domain, number)
    except MlflowException as error:
        raise RegistryError(f"version {number} of {domain} cannot be read: {error}") from error
    created = datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC)
    return Version(
        domain,
        number,
        state.releases()[number],
        str(entry.run_id),
        entry.tags.get("candidate", ""),
        str(entry.source),
        created.isoformat(timespec="seconds"),
        entry.tags.get("lineage.evidence", ""),
    )


def number_of(client: "MlflowClient", domain: str, candidate: str) -> str | None:
    """Number of the version that was made of a candidate, or None."""
    found = search_entries(client, domain, f" and tags.candidate = '{candidate}'")
    return next((str(entry.version) for entry in found), None)
