"""A domain's releases over time, as a picture: who was champion when, and what was decided."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuneline.errors import RegistryError
from tuneline.release.event import Event
from tuneline.release.ledger import LedgerState, states
from tuneline.release.past import times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 25
NO_VERSION = "refused candidates"
MARKS: Mapping[str, tuple[str, str, str]] = {
    "register": ("o", "#6b7280", "registered"),
    "promote": ("^", "#1a7f37", "promoted"),
    "rollback": ("<", "#b26a00", "rolled back to"),
    "refuse": ("X", "#c62828", "refused"),
    "approve": ("P", "#1a7f37", "approved"),
    "ab_start": ("|", "#0b5fa5", "A/B test started"),
    "ab_end": ("|", "#111827", "A/B test decided"),
    "reconcile": ("d", "#7c3aed", "aliases reconciled"),
}
"""Kind of event -> marker, colour, what it is called."""
SERVED, TESTED = "#1a7f37", "#0b5fa5"


class Span(NamedTuple):
    """A version that was champion, or under test, for a while."""

    version: str
    start: datetime
    end: datetime


def champion_spans(state: LedgerState, now: datetime) -> list[Span]:
    """Who was champion from when to when, by the writers' clocks; the last one until now."""
    starts = [(at, after.champion) for at, after in _after_each(state)]
    return list(_spans(starts, now))


def spans_under_test(state: LedgerState, now: datetime) -> list[Span]:
    """Which version was tested against the champion from when to when."""
    starts = [
        (at, test.start.to_version if (test := after.running_test) else None)
        for at, after in _after_each(state)
    ]
    return list(_spans(starts, now))


def draw_timeline(domain: str, state: LedgerState, path: Path, now: datetime) -> None:
    """Draw the latest releases, one a row; the ending of `path` says whether as PNG or SVG.

    Raises:
        RegistryError: There is no event to draw, or the ending is unknown.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    if not state.events:
        raise RegistryError(f"{domain} has no history to draw yet")
    rows = _rows(state)
    figure = Figure(figsize=(10, 1.6 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    _draw_spans(axes, rows, state, now)
    _draw_events(axes, rows, state)
    axes.set_yticks(range(len(rows)), [*rows.values()])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    locator: Any = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    zone = now.tzinfo
    formatter: Any = ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel(f"time by the writers' clocks, {now.tzname()}")
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(f"Releases of {domain}", loc="left", fontweight="bold")
    figure.legend(loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    try:
        figure.savefig(path, dpi=130)
    except ValueError as error:
        raise RegistryError(f"{path} cannot be drawn: {error}; use .png or .svg") from error


def _after_each(state: LedgerState) -> Iterator[tuple[datetime, LedgerState]]:
    later = list(states(state.events))[1:]
    return zip(times(state.events), later, strict=True)


def _spans(starts: list[tuple[datetime, str | None]], now: datetime) -> Iterator[Span]:
    ends = [at for at, _ in starts[1:]] + [max([now, *(at for at, _ in starts[-1:])])]
    open_span: Span | None = None
    for (start, version), end in zip(starts, ends, strict=True):
        if open_span and open_span.version == version:
            open_span = open_span._replace(end=end)
            continue
        if open_span:
            yield open_span
        open_span = Span(version, start, end) if version else None
    if open_span:
        yield open_span


def _rows(state: LedgerState) -> dict[str | None, str]:
    """Version -> its label, in the order of registration."""
    latest: dict[str | None, str] = dict(list(state.releases().items())[-MAX_ROWS:])
    if any(event.to_version is None for event in state.events):
        latest[None] = NO_VERSION
    return latest


def _draw_spans(
    axes: "Axes", rows: Mapping[str | None, str], state: LedgerState, now: datetime
) -> None:
    place = {version: row for row, version in enumerate(rows)}
    kinds: tuple[tuple[list[Span], dict[str, Any]], ...] = (
        (champion_spans(state, now), {"color": SERVED, "alpha": 0.35, "label": "champion"}),
        (spans_under_test(state, now), {"color": TESTED, "alpha": 0.2, "label": "under A/B test"}),
    )
    for spans, look in kinds:
        shown = [span for span in spans if span.version in place]
        widths = [max(span.end - span.start, timedelta(seconds=1)) for span in shown]
        if shown:
            axes.barh(
                [place[span.version] for span in shown],
                widths,  # type: ignore[arg-type]
                left=[span.start for span in shown],  # type: ignore[arg-type]
                height=0.6,
                **look,
            )


def _draw_events(axes: "Axes", rows: Mapping[str | None, str], state: LedgerState) -> None:
    place = {version: row for row, version in enumerate(rows)}
    timed: list[tuple[datetime, Event]] = list(zip(times(state.events), state.events, strict=True))
    for kind, (marker, color, label) in MARKS.items():
        of_kind = [(at, event.to_version) for at, event in timed if event.kind == kind]
        found = [(at, place[version]) for at, version in of_kind if version in place]
        if found:
            axes.scatter(
                [at for at, _ in found],  # type: ignore[arg-type]
                [row for _, row in found],
                marker=marker,
                color=color,
                s=45,
                label=label,
                zorder=3,
            )
