"""Progress in the terminal: one live line, or plain lines where nobody sees them move."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.forecast import Forecast
from tasks.progress import Watcher, watched_by

LINE_EVERY_S = 15.0


@contextmanager
def shown_progress(console: Console) -> Iterator[None]:
    """Show the progress of all stages inside the block."""
    forecast = Forecast(time.monotonic())
    if console.is_terminal:
        with _live(console) as bar, watched_by(_bar_watcher(bar, forecast)):
            yield
    else:
        with watched_by(_line_watcher(console, forecast)):
            yield


def _live(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
    )


def _bar_watcher(bar: Progress, forecast: Forecast) -> Watcher:
    task = bar.add_task("starting", total=1.0, left="")

    def watch(stage: str, done: int, total: int) -> None:
        forecast.update(stage, done, total)
        bar.update(
            task,
            completed=forecast.fraction(),
            description=_step(stage, done, total),
            left=_left(forecast),
        )

    return watch


def _line_watcher(console: Console, forecast: Forecast) -> Watcher:
    last: tuple[str, float] = ("", 0.0)

    def watch(stage: str, done: int, total: int) -> None:
        nonlocal last
        forecast.update(stage, done, total)
        now = time.monotonic()
        if stage == last[0] and now - last[1] < LINE_EVERY_S:
            return
        last = (stage, now)
        elapsed = _minutes(now - forecast.started_s)
        console.print(f"[{elapsed}] {_step(stage, done, total)}{_left(forecast)}", markup=False)

    return watch


def _step(stage: str, done: int, total: int) -> str:
    return f"{stage} {done}/{total}" if total > 1 else stage


def _left(forecast: Forecast) -> str:
    left_s = forecast.left_s(time.monotonic())
    return "" if left_s is None else f"  about {_minutes(left_s)} left"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
