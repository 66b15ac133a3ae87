"""The files of a version: uploaded once, downloaded whole, with a SHA-256 for each."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuneline.errors import RegistryError
from tuneline.registry.versions import Version
from tuneline.store import digest_of, file_digests

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

LINEAGE = "lineage.json"
"""Last file of an upload: where it is, all others are."""
CARD = "README.md"
"""The model card among a version's files."""
MAX_TAG_CHARS = 200


def upload(
    client: "MlflowClient",
    domain: str,
    adapter: Path,
    candidate: str,
    lineage: Mapping[str, Any],
    run_id: str,
    card: str = "",
) -> "LoggedModel":
    """Log the adapter as a model of the run, or finish the upload of a killed registration.

    The model card becomes `README.md`, and is signed as every other file is.
    """
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment], f"tags.candidate = '{candidate}'")
    model = next(iter(found), None) or client.create_logged_model(
        experiment, f"{domain}-adapter", run_id, {"candidate": candidate}, None, "peft-adapter"
    )
    if str(model.status) != "READY":
        client.log_model_artifacts(model.model_id, str(adapter))
        files = file_digests(adapter)
        files.pop(LINEAGE, None)  # of a version whose adapter is registered again
        if card:
            _log_text(client, model.model_id, CARD, card)
            files[CARD] = hashlib.sha256(card.encode()).hexdigest()
        log_json(client, model.model_id, LINEAGE, {**lineage, "files": files})
        client.finalize_logged_model(model.model_id, "READY")
    return model


def log_json(client: "MlflowClient", model_id: str, name: str, content: Mapping[str, Any]) -> None:
    """Log a JSON file beside a model's other files."""
    _log_text(client, model_id, name, json.dumps(content, indent=1, ensure_ascii=False))


def _log_text(client: "MlflowClient", model_id: str, name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode())
        client.log_model_artifact(model_id, str(path))


def download(uri: str, version: Version, folder: Path) -> Path:
    """Folder with the adapter and its `lineage.json`; fetched once, visible when it is whole.

    Args:
        uri: Of the MLflow server.
        version: Whose files.
        folder: Where earlier downloads are.

    Raises:
        RegistryError: The files are gone.
    """
    target = folder / digest_of(version.source)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"), tempfile.TemporaryDirectory(dir=folder) as work:
        if not target.exists():
            fetch(uri, version, version.source, Path(work)).replace(target)
    return target


def read_lineage(uri: str, source: str) -> dict[str, Any]:
    """The lineage that was uploaded with a version's files, with the SHA-256 of each.

    Args:
        uri: Of the MLflow server.
        source: URI of the version's files.

    Raises:
        RegistryError: It is gone, or it is no JSON.
    """
    from mlflow.exceptions import MlflowException

    place = f"{source}/{LINEAGE}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = _download(uri, place, Path(folder))
            lineage: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (MlflowException, OSError, ValueError) as error:
        raise RegistryError(f"{place} cannot be read: {error}") from error
    return lineage


def fetch(uri: str, version: Version, place: str, folder: Path) -> Path:
    """Download a version's file or folder at a URI; returns where it is.

    Raises:
        RegistryError: It is gone.
    """
    from mlflow.exceptions import MlflowException

    try:
        return _download(uri, place, folder)
    except (MlflowException, OSError) as error:
        raise files_gone(version, place) from error


def _download(uri: str, place: str, folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(place, dst_path=str(folder), tracking_uri=uri))


def check_files(uri: str, version: Version) -> None:
    """Refuse a version whose files are gone.

    Raises:
        RegistryError: `lineage.json` is not where the files should be.
    """
    from mlflow.artifacts import list_artifacts

    files = list_artifacts(artifact_uri=version.source, tracking_uri=uri)
    if LINEAGE not in {Path(file.path).name for file in files}:
        raise files_gone(version, version.source)


def files_gone(version: Version, place: str) -> RegistryError:
    """Tells whose files are not where they should be."""
    return RegistryError(
        f"the files of version {version.number} of {version.domain} are gone from {place}; "
        "restore them or choose another version"
    )


def short_tags(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Values of the lineage that are short enough to be read as tags."""
    short = {name: str(v) for name, v in lineage.items() if isinstance(v, str | int | float)}
    return {f"lineage.{name}": v for name, v in short.items() if v and len(v) <= MAX_TAG_CHARS}
