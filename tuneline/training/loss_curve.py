"""The course of a training as a picture."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from tuneline.reports import TrainingReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = Sequence[tuple[int, float]]
"""(step, value)."""
LOG_FROM = 30
"""Ratio of largest to median gradient norm from which the axis is logarithmic."""
COLORS = {"healthy": "#1a7f37", "diverging": "#c62828"}
"""Verdict -> colour of the title; others are a warning."""
WARNING = "#b26a00"


def draw_loss_curve(report: TrainingReport, path: Path) -> None:
    """Draw loss, learning rate and gradient norm over steps as PNG; the verdict is the title."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    below = [
        (name, points)
        for name, points in (
            ("learning rate", report.learning_rates),
            ("gradient norm", report.grad_norms),
        )
        if points
    ]
    figure = Figure(figsize=(7, 3.5 + 1.2 * len(below)), layout="constrained")
    panels = figure.subplots(
        1 + len(below), sharex=True, squeeze=False, height_ratios=[3] + [1] * len(below)
    )[:, 0]
    _draw_losses(panels[0], report)
    for axes, (name, points) in zip(panels[1:], below, strict=True):
        _draw_small(axes, name, points)
    panels[-1].set_xlabel("optimizer step")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=110)


def _draw_losses(axes: "Axes", report: TrainingReport) -> None:
    for name, points, size in (
        ("training", report.losses, 3),
        ("validation", report.validation_losses, 5),
    ):
        if points:
            steps, losses = zip(*points, strict=True)
            is_sparse = len(points) < 60
            axes.plot(steps, losses, marker="o" if is_sparse else "", markersize=size, label=name)
    axes.set(ylabel="loss per answer token", ylim=(0, None))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    if report.verdict:
        title = shorten(f"{report.verdict}: {report.evidence}", 200)
        axes.set_title(title, fontsize=9, color=COLORS.get(report.verdict, WARNING), wrap=True)


def _draw_small(axes: "Axes", name: str, points: Curve) -> None:
    steps, values = zip(*points, strict=True)
    axes.plot(steps, values, color="0.35", linewidth=1, marker="o" if len(points) < 3 else "")
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.grid(alpha=0.3)
    if _is_wide(values):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 4))
        axes.yaxis.get_offset_text().set_fontsize(7)


def _is_wide(values: Sequence[float]) -> bool:
    """Whether one high value would press all others to the ground."""
    return min(values) > 0 and max(values) > LOG_FROM * sorted(values)[len(values) // 2]
