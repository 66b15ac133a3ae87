"""A search as a picture: the losses in their order, and against each setting."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.search.results import SearchReport, TrialResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = {"complete": ("o", "C0"), "stopped": ("x", "C7")}
"""State of a trial -> marker and colour."""


def draw_search(report: SearchReport, path: Path) -> None:
    """Draw the validation loss over trials and over each setting that varied, as PNG."""
    from matplotlib.figure import Figure

    trials = [t for t in report.trials if t.state in MARKS and t.loss is not None]
    names = _varied(trials)
    figure = Figure(figsize=(3.4 * (1 + len(names)), 3.4), layout="constrained")
    history, *slices = figure.subplots(1, 1 + len(names), sharey=True, squeeze=False)[0]
    _draw_history(history, trials)
    for axes, name in zip(slices, names, strict=True):
        _draw_slice(axes, name, trials)
    history.set_ylabel("validation loss")
    figure.savefig(path, dpi=110)


def _varied(trials: Sequence[TrialResult]) -> list[str]:
    names = dict.fromkeys(name for trial in trials for name in trial.values)
    return [name for name in names if len({trial.values.get(name) for trial in trials}) > 1]


def _draw_history(axes: "Axes", trials: Sequence[TrialResult]) -> None:
    for state in MARKS:
        points = [(t.number, t.loss) for t in trials if t.state == state]
        _scatter(axes, points, state)
    complete = [(t.number, t.loss or 0.0) for t in trials if t.state == "complete"]
    if complete:
        numbers, losses = zip(*complete, strict=True)
        axes.step(numbers, list(accumulate(losses, min)), where="post", color="C1", label="best")
    axes.set_xlabel("trial")
    axes.grid(alpha=0.3)
    if trials:
        axes.legend()


def _draw_slice(axes: "Axes", name: str, trials: Sequence[TrialResult]) -> None:
    is_rate = name == "learning_rate"
    tried = sorted({t.values[name] for t in trials if name in t.values}, key=_order)
    for state in MARKS:
        chosen = [t for t in trials if t.state == state and name in t.values]
        places = [t.values[name] if is_rate else tried.index(t.values[name]) for t in chosen]
        _scatter(axes, [(place, t.loss) for place, t in zip(places, chosen, strict=True)], state)
    if is_rate:
        axes.set_xscale("log")
    else:
        axes.set_xticks(range(len(tried)), [str(value) for value in tried])
    axes.set_xlabel(name)
    axes.grid(alpha=0.3)


def _order(value: str | int | float) -> tuple[float, str]:
    """Numbers by size, words by letters."""
    return (0.0, value) if isinstance(value, str) else (float(value), "")


def _scatter(axes: "Axes", points: Sequence[tuple[object, object]], state: str) -> None:
    if points:
        x, y = zip(*points, strict=True)
        marker, colour = MARKS[state]
        axes.scatter(x, y, marker=marker, color=colour, s=22, label=state)
