"""PostgreSQL from the system's packages, in the workspace: for `tuneline servers`."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tuneline.errors import TunelineError
from tuneline.store import workspace

PORT = int(os.environ.get("TUNELINE_POSTGRES_PORT", "5433"))
USER = "tuneline"
FOLDER = "servers/shared"
ACCOUNT = "postgres"
"""System user that the packages add: PostgreSQL does not run as root."""
FAST_STOP = signal.SIGINT
"""PostgreSQL ends its sessions and stops; at SIGTERM it would wait for them."""
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def programs() -> Path | None:
    """Folder with `initdb` and `postgres` of the newest version installed, or None."""
    found = [bin for place in PLACES for bin in Path("/").glob(place.lstrip("/"))]
    in_path = shutil.which("postgres")
    found = sorted(found, key=_version) + ([Path(in_path).resolve().parent] if in_path else [])
    return next((f for f in reversed(found) if (f / "initdb").exists()), None)


def _version(folder: Path) -> int:
    return int("".join(c for c in folder.parent.name if c.isdigit()) or 0)


def account() -> str | None:
    """System user to run PostgreSQL as: root has to become another one."""
    return ACCOUNT if os.geteuid() == 0 else None


def data_folder() -> Path:
    """Where PostgreSQL keeps its files."""
    return workspace() / FOLDER / "postgresql"


def uri(database: str, password: str, driver: str = "postgresql") -> str:
    """Address of a database, password included."""
    return f"{driver}://{USER}:{password}@127.0.0.1:{PORT}/{database}"


def command() -> list[str]:
    """Run PostgreSQL on this machine's loopback address, without a socket file."""
    folder = _programs_or_error()
    options = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1"]
    return [str(folder / "postgres"), "-D", str(data_folder()), "-p", str(PORT), *options]


def initialize(password: str) -> None:
    """Make the data folder once: one user, who has to give the password.

    Raises:
        TunelineError: PostgreSQL is not installed, or may not enter the workspace.
    """
    folder = data_folder()
    if (folder / "PG_VERSION").exists():
        return
    initdb = _programs_or_error() / "initdb"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    _check_reachable(folder)
    with tempfile.NamedTemporaryFile("w", suffix=".once") as file:  # mode 0600
        file.write(password)
        file.flush()
        if account():
            shutil.chown(folder, ACCOUNT, ACCOUNT)
            shutil.chown(file.name, ACCOUNT, ACCOUNT)
        options = ["--username", USER, "--pwfile", file.name, "--auth", "scram-sha-256"]
        _run([str(initdb), "-D", str(folder), *options, "--encoding", "UTF8", "--locale", "C"])


def create_databases(password: str, *names: str) -> None:
    """Create databases that are not there."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(uri("postgres", password), autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        for name in set(names) - {row[0] for row in rows}:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def answers(password: str) -> bool:
    """Whether the server takes the password."""
    import psycopg

    try:
        with psycopg.connect(uri("postgres", password), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


@cache
def _programs_or_error() -> Path:
    folder = programs()
    if folder is None:
        raise TunelineError(
            "PostgreSQL is not installed; install your system's package (such as "
            "`apt install postgresql`), or work with `tuneline ui`, which needs none"
        )
    return folder


def _check_reachable(folder: Path) -> None:
    """Refuse a place that the user `postgres` cannot enter."""
    if account() is None:
        return
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise TunelineError(
            f"PostgreSQL does not run as root and there is no user {ACCOUNT}; start as another user"
        ) from None
    closed = [parent for parent in folder.parents if not parent.stat().st_mode & 0o001]
    if closed:
        raise TunelineError(
            f"PostgreSQL does not run as root, and the user {ACCOUNT} cannot enter {closed[-1]}; "
            "start as another user, or set TUNELINE_WORKSPACE to a folder that all can enter"
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/",
        user=account(), group=account(), extra_groups=[] if account() else None,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        raise TunelineError(f"initdb failed: {last}")
