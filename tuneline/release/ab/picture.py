"""The gain over time with its confidence sequence, as a picture."""

from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from tuneline.release.ab.decision import ABDecision
from tuneline.release.ab.report import ABReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {"promote": "#1a7f37", "keep": "#c62828", "cannot tell": "#b26a00"}
"""Verdict -> colour of the title."""
LAST_SHARE = 0.25
"""Of the looks, which must fit the picture: the first intervals are far wider and cut off."""
DAY_S = 86_400.0


def draw_gain(report: ABReport, decision: ABDecision, path: Path) -> None:
    """Draw gain and interval over time; the ending of `path` says whether as PNG or SVG."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    _draw_interval(axes, report)
    axes.axhline(0, color="0.3", linewidth=1)
    effect = report.config.min_effect
    axes.axhline(effect, color="#0b5fa5", linewidth=1, linestyle="--")
    place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 8}
    axes.text(0.005, effect, f" smallest effect {effect:g}", va="bottom", color="#0b5fa5", **place)
    axes.set_xlim(_day(report.started), _day(report.started) + report.days)
    locator: Any = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC")
    axes.set_ylabel(f"gain in {report.config.metric}")
    axes.grid(alpha=0.3)
    open_rules = [f"{g.rule}: {g.verdict}" for g in report.guardrails if g.verdict != "pass"]
    title = shorten("; ".join([f"{decision.verdict}: {decision.reasons[0]}", *open_rules]), 240)
    axes.set_title(title, fontsize=9, color=COLORS[decision.verdict], wrap=True)
    figure.savefig(path, dpi=110)


def _draw_interval(axes: "Axes", report: ABReport) -> None:
    gains = [(_day(look.at), look.gain) for look in report.looks if look.gain is not None]
    bounds = [
        (_day(look.at), look.low, look.high)
        for look in report.looks
        if look.low is not None and look.high is not None
    ]
    if gains:
        axes.plot(*zip(*gains, strict=True), color="0.2", linewidth=1.5)
    if bounds:
        days, lows, highs = zip(*bounds, strict=True)
        level = f"{1 - report.config.alpha:.0%} at all looks"
        axes.fill_between(days, lows, highs, color="#0b5fa5", alpha=0.2, label=level)
        axes.legend(loc="upper right", fontsize=8)
    axes.set_ylim(*_limits(report))


def _limits(report: ABReport) -> tuple[float, float]:
    """Room for the last quarter of the intervals, zero and the smallest effect."""
    kept = report.looks[-max(int(len(report.looks) * LAST_SHARE), 1) :]
    values = [v for look in kept for v in (look.gain, look.low, look.high) if v is not None]
    values += [0.0, report.config.min_effect]
    room = 0.35 * (max(values) - min(values))
    return min(values) - room, max(values) + room


def _day(text: str) -> float:
    """Days since the epoch, as matplotlib counts them."""
    return datetime.fromisoformat(text).timestamp() / DAY_S
