"""Progress in the terminal: one live line, or plain lines where nobody sees them move."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows.forecast import PRIOR_S, SHARES, Forecast
from tasks.progress import Watcher, watched_by

LINE_EVERY_S = 15.0


@contextmanager
def shown_progress(
    console: Console, shares: Mapping[str, float] = SHARES, prior_s: float = PRIOR_S
) -> Iterator[None]:
    """Show the progress of all stages inside the block.

    Args:
        console: Where it is shown.
        shares: Stages in their order and how long they usually take, as in `Forecast`.
        prior_s: Seconds for which that is believed.
    """
    forecast = Forecast(time.monotonic(), dict(shares), prior_s)
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

    def watch(stage: str, done: int, total: int, note: str) -> None:
        forecast.update(stage, done, total)
        bar.update(
            task,
            completed=forecast.fraction(),
            description=escape(_step(stage, done, total, note)),
            left=_left(forecast),
        )

    return watch


def _line_watcher(console: Console, forecast: Forecast) -> Watcher:
    last: tuple[str, float] = ("", 0.0)

    def watch(stage: str, done: int, total: int, note: str) -> None:
        nonlocal last
        forecast.update(stage, done, total)
        now = time.monotonic()
        if stage == last[0] and now - last[1] < LINE_EVERY_S:
            return
        last = (stage, now)
        elapsed = _minutes(now - forecast.started_s)
        percent = f"{100 * forecast.fraction():.0f} %"
        step = _step(stage, done, total, note)
        console.print(f"[{elapsed}] {percent} {step}{_left(forecast)}", markup=False)

    return watch


def _step(stage: str, done: int, total: int, note: str) -> str:
    step = f"{stage} {done}/{total}" if total > 1 else stage
    return f"{step}  {note}" if note else step


def _left(forecast: Forecast) -> str:
    left_s = forecast.left_s(time.monotonic())
    return "" if left_s is None else f"  about {_minutes(left_s)} left"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
