"""PostgreSQL, object storage, MLflow with passwords, and Prefect: `tuneline servers`, no Docker."""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from flows import shared_database as database
from flows.servers import MLFLOW, MLFLOW_PORT, PREFECT, Server, start, stop
from tuneline.errors import TunelineError
from tuneline.store import workspace

STORAGE_PORT = int(os.environ.get("TUNELINE_STORAGE_PORT", "9100"))
STORAGE_URL = f"http://127.0.0.1:{STORAGE_PORT}"
BUCKET = "mlflow"
ADMIN = "admin"
AUTH = """[mlflow]
default_permission = READ
database_uri = {uri}
admin_username = {admin}
auth_cache_ttl_seconds = 60
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
"""A checked password counts for a minute: checking it anew costs more than most requests."""
Storage = Literal["folder", "s3"]


def _folder() -> Path:
    folder = workspace() / database.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def credentials_file() -> Path:
    """Addresses and passwords for the shell of whoever may read it: `set -a; . <file>`."""
    return _folder() / "credentials.env"


def credentials() -> dict[str, str]:
    """What the file says; passwords are made once."""
    path = credentials_file()
    if not path.exists():
        write_private(
            path,
            "".join(
                f"{name}={value}\n"
                for name, value in {
                    "MLFLOW_TRACKING_URI": MLFLOW.url,
                    "MLFLOW_TRACKING_USERNAME": ADMIN,
                    "MLFLOW_TRACKING_PASSWORD": secrets.token_urlsafe(24),
                    "PREFECT_API_URL": f"{PREFECT.url}/api",
                    "TUNELINE_POSTGRES_PASSWORD": secrets.token_urlsafe(24),
                    "TUNELINE_FLASK_KEY": secrets.token_urlsafe(24),
                }.items()
            ),
        )
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _postgres_password() -> str:
    return credentials()["TUNELINE_POSTGRES_PASSWORD"]


def _storage_command() -> list[str]:
    if find_spec("moto") is None:
        raise TunelineError("the S3 server is not installed; pip install 'moto[s3]'")
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(STORAGE_PORT)]


def _mlflow_command() -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(MLFLOW_PORT), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", *options]


def _mlflow_env(storage: Storage) -> Mapping[str, str]:
    given, uri = credentials(), database.uri("mlflow", _postgres_password())
    auth = _folder() / "mlflow-auth.ini"
    write_private(auth, AUTH.format(uri=uri.replace("%", "%%"), admin=ADMIN))
    at_storage = {
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}",
        "MLFLOW_S3_ENDPOINT_URL": STORAGE_URL,
        **_storage_keys(),
    }
    in_folder = {"MLFLOW_ARTIFACTS_DESTINATION": (_folder() / "artifacts").as_uri()}
    return {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_AUTH_CONFIG_PATH": str(auth),
        "MLFLOW_AUTH_ADMIN_PASSWORD": given["MLFLOW_TRACKING_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": given["TUNELINE_FLASK_KEY"],
        **(at_storage if storage == "s3" else in_folder),
    }


def _storage_keys() -> dict[str, str]:
    """Moto takes any key; boto3 wants one."""
    return {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto"}


def _prefect_env() -> Mapping[str, str]:
    uri = database.uri("prefect", _postgres_password(), "postgresql+asyncpg")
    return {"PREFECT_API_DATABASE_CONNECTION_URL": uri}


def servers(storage: Storage) -> list[Server]:
    """The servers in the order in which they need each other."""
    postgres = Server(
        "postgresql",
        f"postgresql://127.0.0.1:{database.PORT}",
        "",
        database.command,
        database.FOLDER,
        answers=lambda: database.answers(_postgres_password()),
        account=database.account(),
        stop_signal=database.FAST_STOP,
    )
    object_storage = Server(
        "storage", STORAGE_URL, f"{STORAGE_URL}/moto-api/", _storage_command, database.FOLDER
    )
    mlflow = Server(
        "mlflow", MLFLOW.url, MLFLOW.health, _mlflow_command, database.FOLDER,
        env=lambda: _mlflow_env(storage),
    )  # fmt: skip
    prefect = Server(
        "prefect", PREFECT.url, PREFECT.health, PREFECT.command, database.FOLDER, env=_prefect_env
    )
    return [postgres, *([object_storage] if storage == "s3" else []), mlflow, prefect]


def start_all(storage: Storage) -> Iterator[Server]:
    """Start what does not run yet, and yield each server when it answers.

    Raises:
        TunelineError: A program is missing, something else answers at an address, or a server does
            not answer.
    """
    _check_installed()
    credentials()
    database.initialize(_postgres_password())
    for server in servers(storage):
        if server.process() is None and server.is_ready():
            raise TunelineError(
                f"another server answers at {server.url}; stop it, such as by "
                "`tuneline ui --stop`, or choose other ports, see docs/how-to/servers.md"
            )
        start(server)
        if server.name == "postgresql":
            database.create_databases(_postgres_password(), "mlflow", "prefect")
        if server.name == "storage":
            _create_bucket()
        yield server


def stop_all() -> Iterator[tuple[Server, bool]]:
    """Stop what this workspace started, last one first, and yield whether each ran."""
    for server in reversed(servers("s3")):
        yield server, stop(server)


def _check_installed() -> None:
    missing = [n for n in ("psycopg", "boto3", "flask_wtf") if find_spec(n) is None]
    if missing:
        raise TunelineError(f"{', '.join(missing)} is missing; pip install 'tuneline[servers]'")


def _create_bucket() -> None:
    import boto3

    keys = {key.lower(): value for key, value in _storage_keys().items()}
    client = boto3.client("s3", endpoint_url=STORAGE_URL, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
