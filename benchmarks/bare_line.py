"""The line without Prefect and MLflow: the library calls alone, for `orchestration.py`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def without_orchestration() -> None:
    """Make flows and tasks plain functions; before anything imports them."""
    import prefect
    import prefect.artifacts

    def plain(*_: Any, **__: Any) -> Any:
        return lambda function: function

    prefect.task = prefect.flow = plain  # type: ignore[assignment]
    for name in ("table", "markdown", "progress"):
        setattr(prefect.artifacts, f"create_{name}_artifact", lambda **_: None)


@contextmanager
def nothing_recorded() -> Iterator[None]:
    """Leave out MLflow: no run, no look, no baseline, no version."""
    from unittest import mock

    from tasks import dead_runs, guards, quantization, release, report, run_log
    from tuneline.reports import Look

    @contextmanager
    def no_run(settings: Any, key: str) -> Any:
        yield mock.Mock(run_id="none", log_metrics=lambda metrics, step: None)

    one = Look(0, 1, 50)
    nothing = release.Released(None, None)
    with (
        mock.patch.object(release, "check"),
        mock.patch.object(release, "tracked", no_run),
        mock.patch.object(release, "find_baseline", lambda *_: release.Baseline(None, 0, None)),
        mock.patch.object(release, "record", lambda *_: nothing),
        mock.patch.object(release, "places", lambda *_: {}),
        mock.patch.object(guards, "count_look", lambda *_: one),
        mock.patch.object(quantization, "log"),
        mock.patch.object(report, "publish", lambda *_: Path()),
        mock.patch.object(dead_runs, "close"),
        mock.patch.object(dead_runs, "own"),
        mock.patch.object(run_log, "keep"),
    ):
        yield
