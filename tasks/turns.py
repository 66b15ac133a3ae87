"""One retraining of a domain at a time; retrainings of other domains go on beside it."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.runtime import deployment

from tuneline.errors import BusyError
from tuneline.store import workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

log = logging.getLogger("tuneline.turns")

POLL_S = 0.5
LEASE_S = 60.0
"""Without a sign of life for so long, the slot of a killed run is free again."""


@contextmanager
def turn_of(domain: str, when_busy: Literal["wait", "refuse"]) -> Iterator[None]:
    """Hold a domain for the time of the block.

    In one workspace a file lock does it, which the system frees when a process is killed. Runs of
    deployments, whose machines may have workspaces of their own, take a Prefect slot as well.

    Args:
        domain: Such as `lawyer`.
        when_busy: Wait for the other run, or refuse.

    Raises:
        BusyError: Another run holds it, and `when_busy` is `refuse`.
    """
    path = workspace() / "locks" / f"{domain}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(path), path.with_suffix(".owner")
    _acquire(lock, owner, domain, when_busy)
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        with _slot(domain, when_busy):
            yield
    finally:
        lock.release()


def _acquire(lock: FileLock, owner: Path, domain: str, when_busy: str) -> None:
    try:
        lock.acquire(timeout=0)
        return
    except Timeout:
        holder = owner.read_text() if owner.exists() else "another process"
        if when_busy == "refuse":
            raise _busy(domain, holder) from None
    log.warning("%s is being retrained by %s; waiting until it ends", domain, holder)
    lock.acquire(poll_interval=POLL_S)


def _slot(domain: str, when_busy: str) -> "AbstractContextManager[None]":
    """A slot of the limit `retrain-<domain>`, which is made where it does not exist."""
    if not deployment.id:
        return nullcontext()
    name = f"retrain-{domain}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, limit=1)
    return _taken(name, domain, 1.0 if when_busy == "refuse" else None)


@contextmanager
def _taken(name: str, domain: str, timeout_s: float | None) -> Iterator[None]:
    """A lease that cannot be renewed for a moment is no reason to stop a training."""
    slot = concurrency(
        name,
        timeout_seconds=timeout_s,
        lease_duration=LEASE_S,
        strict=True,
        raise_on_lease_renewal_failure=False,
    )
    try:
        slot.__enter__()
    except TimeoutError:
        raise _busy(domain, f"a flow run that holds the slot {name} in Prefect") from None
    try:
        yield
    finally:
        slot.__exit__(None, None, None)


def _busy(domain: str, holder: str) -> BusyError:
    return BusyError(
        f"{domain} is being retrained by {holder}; run again when it has ended, or let this run "
        "wait for it: when_busy=wait"
    )
