"""Which versions are kept with their files, and deleting the files of others.

A version itself, its tags and the ledger are never deleted.
"""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tuneline.registry.versions import Version, read_version
from tuneline.release.ledger import LedgerState

if TYPE_CHECKING:
    from mlflow import MlflowClient

DELETED = "files_deleted"
"""Tag of a version whose files were deleted: when."""


def kept_versions(state: LedgerState) -> set[str]:
    """Numbers of every champion there was, the challenger and what is under test. Pure."""
    kept = {str(event.to_version) for event in state.events if event.moves_champion}
    kept |= {str(event.from_version) for event in state.events if event.from_version}
    kept |= {number for number in (state.champion, state.challenger) if number}
    if state.running_test:
        kept.add(str(state.running_test.start.to_version))
    return kept


def never_champions(
    client: "MlflowClient", domain: str, state: LedgerState, keep_days: float
) -> list[Version]:
    """Versions that retention may take the files of: old, never champion, still with files."""
    kept, oldest_s = kept_versions(state), time.time() - keep_days * 86_400
    found = [
        read_version(client, domain, state, number)
        for number in state.releases()
        if number not in kept
    ]
    old = [v for v in found if datetime.fromisoformat(v.created).timestamp() < oldest_s]
    return [v for v in old if DELETED not in client.get_model_version(domain, v.number).tags]


def delete_files(client: "MlflowClient", version: Version) -> None:
    """Delete the adapter's files of a version and say so in a tag; promoting it is refused then."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    client.set_model_version_tag(version.domain, version.number, DELETED, now)
    get_artifact_repository(version.source).delete_artifacts()  # type: ignore[no-untyped-call]
