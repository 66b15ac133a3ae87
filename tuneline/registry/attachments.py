"""Files that were made of a version later, such as a quantized model, and what they must be."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from tuneline.errors import RegistryError
from tuneline.registry.artifacts import fetch, log_json
from tuneline.registry.versions import Version
from tuneline.store import digest_of, file_digests

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILES = "sha256.json"
"""Last file of what was attached to a version: file -> SHA-256."""
PREFIX = "attached."
"""Of the version's tags that lead to such files."""


def attach(client: "MlflowClient", version: Version, name: str, folder: Path) -> str:
    """Log files that were made of a version, once per content; returns their URI.

    They are a logged model of their own, of the version's run, so that who downloads the version
    does not get them; the version's tag `attached.<name>` leads to them.
    """
    digests = file_digests(folder)
    digest = digest_of(digests)
    belongs = f"{version.domain}/{version.number}/{name}"
    experiment = client.get_run(version.run_id).info.experiment_id
    found = client.search_logged_models(
        [experiment], f"tags.attached = '{belongs}' and tags.sha256 = '{digest}'"
    )
    tags = {"attached": belongs, "release": version.release, "sha256": digest}
    model = next(iter(found), None) or client.create_logged_model(
        experiment, f"{version.domain}-{name}", version.run_id, tags, None, "quantized-model"
    )
    if str(model.status) != "READY":
        client.log_model_artifacts(model.model_id, str(folder))
        log_json(client, model.model_id, FILES, digests)
        client.finalize_logged_model(model.model_id, "READY")
    tag = f"models:/{model.model_id} sha256:{digest}"
    client.set_model_version_tag(version.domain, version.number, f"{PREFIX}{name}", tag)
    return f"models:/{model.model_id}"


def attached(client: "MlflowClient", uri: str, version: Version, name: str, folder: Path) -> Path:
    """Download what `attach` logged under a name, each file verified by its SHA-256.

    Raises:
        RegistryError: Nothing has that name, the files are gone, or they are other files.
    """
    tags = client.get_model_version(version.domain, version.number).tags
    if f"{PREFIX}{name}" not in tags:
        known = [tag.removeprefix(PREFIX) for tag in tags if tag.startswith(PREFIX)]
        raise RegistryError(
            f"{version.release} has no files named {name}; it has {', '.join(known) or 'none'}"
        )
    model, _, digest = tags[f"{PREFIX}{name}"].partition(" sha256:")
    place = client.get_logged_model(model.removeprefix("models:/")).artifact_location
    target = folder / digest[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"), tempfile.TemporaryDirectory(dir=folder) as work:
        if not target.exists():
            fetched = fetch(uri, version, str(place), Path(work))
            _verify(fetched, digest, f"{name} of {version.release}")
            fetched.replace(target)
    return target


def _verify(folder: Path, digest: str, what: str) -> None:
    """Refuse downloaded files that are not those that were logged."""
    expected = json.loads((folder / FILES).read_text(encoding="utf-8"))
    found = {name: sha for name, sha in file_digests(folder).items() if name != FILES}
    wrong = sorted(
        name for name in found.keys() | expected if found.get(name) != expected.get(name)
    )
    if wrong or digest_of(expected) != digest:
        raise RegistryError(
            f"the files of {what} are not those that were logged: {', '.join(wrong) or FILES} "
            "differs; make and log them again with `tuneline compare-quantizations`"
        )
