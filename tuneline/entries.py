"""Append-only lists in MLflow: versions of a registered model, which get unique rising numbers.

MLflow takes a version's tags in the call that makes it, so an entry is there whole or not at all,
and gives no number twice, however many processes write at once. It offers no other atomic write.
"""

import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuneline.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

MAX_TRIES = 10
"""Calls to a busy MLflow before one gives up."""


def search_entries(client: "MlflowClient", name: str, more: str = "") -> Iterator["ModelVersion"]:
    """Versions by rising number: pages and the tags query then agree while others write.

    Args:
        client: Of the registry.
        name: Registered model; one that does not exist has no versions.
        more: Further conditions, such as ` and tags.candidate = 'digest'`.
    """
    token: str | None = None
    while True:
        page = client.search_model_versions(
            f"name = '{name}'{more}", order_by=["version_number ASC"], page_token=token
        )
        yield from page
        if not (token := page.token):
            return


def add_entry(
    client: "MlflowClient", name: str, source: str, tags: dict[str, str], **more: str
) -> str:
    """Add a version with its tags in one call; MLflow gives up on busy numbers, this does not.

    Returns:
        The number that MLflow gave.

    Raises:
        RegistryError: MLflow refuses.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(MAX_TRIES):
        try:
            entry = client.create_model_version(
                name, source, tags=tags, await_creation_for=0, **more
            )
            return str(entry.version)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST" and attempt == 0:
                _create_model(client, name)
            elif error.error_code not in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
                raise RegistryError(f"MLflow refused a version of {name}: {error}") from error
            else:
                time.sleep(random.uniform(0, 0.1))
    raise RegistryError(f"MLflow could not add a version to {name}; try again later")


def _create_model(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
