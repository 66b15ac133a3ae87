"""Is a version what was registered? Its files by SHA-256, its lineage by the ledger's digest."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tuneline.errors import RegistryError
from tuneline.registry.artifacts import LINEAGE, fetch, files_gone
from tuneline.registry.versions import Version
from tuneline.release.ledger import LedgerState
from tuneline.store import digest_of, file_digest

ADAPTER_CONFIG = "adapter_config.json"


def verify(uri: str, version: Version, state: LedgerState) -> int:
    """Refuse a version whose files are not all there and whole; downloads them where it must.

    Args:
        uri: Of the MLflow server.
        version: What is to be served.
        state: Its domain's ledger, which holds the digest of the lineage.

    Returns:
        Files compared.

    Raises:
        RegistryError: Files are gone or are other files, or the lineage is not the registered one.
    """
    with _folder(uri, version, version.source) as folder:
        lineage = _checked(version, state, folder / LINEAGE)
        expected: dict[str, str] = lineage["files"]
        gone = sorted(name for name in expected if not (folder / name).is_file())
        if gone:
            raise files_gone(version, f"{version.source} ({', '.join(gone)})")
        wrong = sorted(n for n, sha256 in expected.items() if file_digest(folder / n) != sha256)
        if wrong:
            raise RegistryError(
                f"{version.release} is damaged: SHA-256 of {', '.join(wrong)} is not the one that "
                f"was registered; restore {version.source} from a backup or choose another version"
            )
        if ADAPTER_CONFIG in expected:
            json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return len(expected)


def read_lineage(uri: str, version: Version, state: LedgerState) -> dict[str, Any]:
    """What the version was registered with, verified by the ledger.

    Raises:
        RegistryError: The file is gone or is not what was registered.
    """
    with _folder(uri, version, f"{version.source}/{LINEAGE}") as file:
        return _checked(version, state, file)


def _checked(version: Version, state: LedgerState, file: Path) -> dict[str, Any]:
    try:
        lineage: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise files_gone(version, f"{version.source} ({LINEAGE})") from error
    except ValueError:
        lineage = {}
    given = next(e.evidence for e in state.events if e.release == version.release)
    without_files = {name: value for name, value in lineage.items() if name != "files"}
    known = (digest_of(lineage), digest_of(without_files))  # older ones signed the latter
    if given not in known or "files" not in lineage:
        raise RegistryError(
            f"{version.release} is damaged: its {LINEAGE} is not the one that was registered; "
            f"restore {version.source} from a backup or choose another version"
        )
    return lineage


@contextmanager
def _folder(uri: str, version: Version, place: str) -> Iterator[Path]:
    """The files at a URI: as they lie where this machine holds them, else a download."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        yield Path(url2pathname(parts.path))
        return
    with tempfile.TemporaryDirectory() as folder:
        yield fetch(uri, version, place, Path(folder))
