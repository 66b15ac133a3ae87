"""Progress of long stages: to whoever subscribed (the terminal), and to the Prefect run page."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext
from prefect.exceptions import PrefectException

log = logging.getLogger("tuneline.progress")

Watcher = Callable[[str, int, int, str], None]
"""Called as `watcher(stage, done, total, note)`; the note holds numbers such as the loss, or ''."""

_watchers: list[Watcher] = []
UPDATE_EVERY_S = 2.0
MAX_SHARE = 0.01
"""Most of a stage's time that updates of the run page may take."""


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher the progress of every stage inside the block."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


class Pace:
    """Lets updates of the run page through: every two seconds at most, and 1 % of the time.

    A server that does not answer is no reason to stop the work: an update that fails is left out.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.due_s = now()

    def update(self, send: Callable[[], object], must: bool = False) -> None:
        """Call `send` where an update is due or must be."""
        began_s = self.now()
        if began_s < self.due_s and not must:
            return
        try:
            send()
        except (PrefectException, httpx.HTTPError) as error:
            log.warning("progress: the run page is not up to date: %s", error)
        ended_s = self.now()
        self.due_s = ended_s + max(UPDATE_EVERY_S, (ended_s - began_s) / MAX_SHARE)


class StageProgress:
    """The progress function of a stage: watchers are told at once, the run page at its pace."""

    def __init__(self, stage: str, now: Callable[[], float] = time.monotonic) -> None:
        self.stage, self.now, self.note = stage, now, ""
        self.artifact = _artifact(stage) if TaskRunContext.get() else None
        self.pace = Pace(now)
        self.done, self.total = 0, 0
        self.first: tuple[int, float] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Take note of the units done."""
        self.done, self.total = done, total
        self.first = self.first or (done, self.now())
        self._tell_watchers()
        if self.artifact is not None:
            self.pace.update(self._show, must=done >= total)

    def tell(self, note: str) -> None:
        """Show numbers beside the progress, such as `loss 0.42`."""
        self.note = note
        self._tell_watchers()

    def left_s(self) -> float | None:
        """Seconds until the stage ends, at the speed since it was first told of; None at first."""
        if self.first is None or self.done == self.first[0]:
            return None
        done, began_s = self.first
        return (self.now() - began_s) / (self.done - done) * (self.total - self.done)

    def _tell_watchers(self) -> None:
        for watcher in _watchers:
            watcher(self.stage, self.done, self.total, self.note)

    def _show(self) -> None:
        assert self.artifact is not None
        left_s = self.left_s()
        left = f", about {left_s:.0f} s left" if left_s else ""
        note = f" ({self.note})" if self.note else ""
        text = f"{self.stage}: {self.done}/{self.total}{note}{left}"
        update_progress_artifact(
            self.artifact, 100 * self.done / max(1, self.total), description=text
        )


def progress_of(stage: str) -> StageProgress:
    """The progress function of a stage."""
    return StageProgress(stage)


def _artifact(stage: str) -> UUID:
    created = create_progress_artifact(0.0, description=stage)
    assert isinstance(created, UUID)  # outside of async code it is no coroutine
    return created
