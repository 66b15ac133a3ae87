"""What a registry says: versions, champion, history, and whether all of it is whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneline.registry import artifacts, attachments, chain, mirroring, verification
from tuneline.registry.audit import Finding, audit
from tuneline.registry.versions import Version, read_version
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState
from tuneline.tracking import connect


class RegistryReader:
    """Versions, champion and history of every domain on one MLflow server or SQLite file."""

    def __init__(self, tracking_uri: str) -> None:
        self.uri = tracking_uri
        self.client = connect(tracking_uri)

    def state(self, domain: str) -> LedgerState:
        """Champion, challenger and events of a domain, as its ledger tells them."""
        return chain.read_state(self.client, domain)

    def history(self, domain: str) -> list[Event]:
        """Valid events, oldest first."""
        return list(self.state(domain).events)

    def champion(self, domain: str) -> Version | None:
        """The version in service, or None before the first promotion; mends tags and aliases."""
        state = self.mend(domain)
        return read_version(self.client, domain, state, state.champion) if state.champion else None

    def domains(self) -> list[str]:
        """Every domain that has a ledger, by name."""
        found = self.client.search_registered_models("name LIKE '%-ledger'", max_results=1000)
        return sorted(str(model.name).removesuffix("-ledger") for model in found)

    def find(self, domain: str, name: str) -> Version:
        """A version by release name, by number, or as `champion` or `challenger`.

        Raises:
            RegistryError: The domain has no such version.
        """
        state = self.state(domain)
        return read_version(self.client, domain, state, state.resolve(name))

    def download(self, version: Version, folder: Path) -> Path:
        """Folder with the adapter and its `lineage.json`; fetched once, visible when it is whole.

        Raises:
            RegistryError: The files are gone.
        """
        return artifacts.download(self.uri, version, folder)

    def verify(self, version: Version) -> int:
        """Files of a version that are what was registered, counted.

        Raises:
            RegistryError: Some are gone or are other files.
        """
        return verification.verify(self.uri, version, self.state(version.domain))

    def lineage(self, version: Version) -> dict[str, Any]:
        """What a version was registered with; it is what the ledger says.

        Raises:
            RegistryError: It is gone or was changed.
        """
        return verification.read_lineage(self.uri, version, self.state(version.domain))

    def attached(self, version: Version, name: str, folder: Path) -> Path:
        """Download what `attach` logged under a name, each file verified by its SHA-256.

        Raises:
            RegistryError: Nothing has that name, the files are gone, or they are other files.
        """
        return attachments.attached(self.client, self.uri, version, name, folder)

    def audit(self, domain: str, names: Sequence[str] | None = None) -> tuple[Finding, ...]:
        """What is not as the ledger has it: events, names, aliases, files; changes nothing.

        Args:
            domain: Registered model.
            names: Versions whose files are compared; unset: all.
        """
        return audit(self.client, self.uri, domain, names)

    def drift(self, domain: str) -> list[str]:
        """Tags and aliases that say something else than the ledger, in words; changes nothing."""
        state = self.state(domain)
        return [str(wrong) for wrong in mirroring.find_differences(self.client, domain, state)]

    def mend(self, domain: str) -> LedgerState:
        """Make tags and aliases say what the ledger says; returns what that is."""
        return mirroring.mend(self.client, domain)
