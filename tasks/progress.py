"""Progress of long stages: to whoever subscribed (the terminal), and to the Prefect run page."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tuneline.progress import Progress

log = logging.getLogger("tuneline.progress")

Watcher = Callable[[str, int, int], None]
"""Called as `watcher(stage, done, total)`."""

_watchers: list[Watcher] = []
UPDATE_EVERY_S = 2.0


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher the progress of every stage inside the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def progress_of(stage: str) -> Progress:
    """The progress function of a stage: watchers at once, the run page every two seconds."""
    artifact = _artifact(stage) if TaskRunContext.get() else None
    last_s, started = 0.0, time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last_s
        for watcher in _watchers:
            watcher(stage, done, total)
        now = time.monotonic()
        if artifact is None or (now - last_s < UPDATE_EVERY_S and done < total):
            return
        last_s = now
        left_s = (now - started) / done * (total - done) if done else None
        left = f", about {left_s:.0f} s left" if left_s else ""
        percent = 100 * done / max(1, total)
        update_progress_artifact(artifact, percent, description=f"{stage}: {done}/{total}{left}")

    return report


def _artifact(stage: str) -> UUID:
    created = create_progress_artifact(0.0, description=stage)
    assert isinstance(created, UUID)  # outside of async code it is no coroutine
    return created
