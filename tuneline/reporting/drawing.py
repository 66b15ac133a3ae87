"""Numbers as places on a drawing, in percent, so that it fits any screen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tuneline.reports import Difference, QuantizationReport, Score, TrainingReport

N_TICKS = 5
MARGIN = 0.06
"""Room beyond the outermost values, as a share of their span."""


class Axis(NamedTuple):
    """A range of values along one side of a drawing."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Percent of the way from low to high."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """(percent, label) of a few round values."""
        from matplotlib.ticker import MaxNLocator

        values = MaxNLocator(nbins=N_TICKS).tick_values(self.low, self.high)
        return [(self.at(v), f"{v:g}") for v in map(_rounded, values) if self.low <= v <= self.high]


class Curve(NamedTuple):
    """A line through points."""

    name: str
    points: str
    """As SVG wants them: `x,y x,y`, y downwards."""
    is_point: bool
    """Whether there is one point only: a line from it to itself."""


class Dot(NamedTuple):
    """A point with a name."""

    name: str
    x: float
    """Percent from the left."""
    y: float
    """Percent from the top."""
    is_reference: bool


class Plot(NamedTuple):
    """A drawing with two axes."""

    x: Axis
    y: Axis
    curves: tuple[Curve, ...] = ()
    dots: tuple[Dot, ...] = ()


UNIT = Axis(0, 1)
"""Of scores."""


def difference_axis(differences: Iterable[Difference]) -> Axis:
    """Around 0, wide enough for every interval."""
    bounds = [bound for d in differences for bound in (d.low, d.high)]
    return _around([0.0, *bounds])


def loss_plot(report: TrainingReport) -> Plot | None:
    """Training and validation loss over steps; None where there are fewer than two points."""
    named = {"training": report.losses, "validation": report.validation_losses}
    curves = {name: points for name, points in named.items() if points}
    all_points = [point for points in curves.values() for point in points]
    if len({step for step, _ in all_points}) < 2:
        return None
    x = Axis(min(s for s, _ in all_points), max(s for s, _ in all_points))
    y = Axis(0, 1.05 * max(loss for _, loss in all_points) or 1)
    return Plot(x, y, tuple(_curve(name, points, x, y) for name, points in curves.items()))


def pareto_plot(report: QuantizationReport) -> Plot | None:
    """Score over size of each variant; None where there is nothing to compare."""
    if len(report.variants) < 2:
        return None
    x = Axis(0, 1.1 * max(v.size_mib for v in report.variants) or 1)
    y = _around([v.score.value for v in report.variants])
    dots = tuple(
        Dot(v.name, x.at(v.size_mib), 100 - y.at(v.score.value), i == 0)
        for i, v in enumerate(report.variants)
    )
    return Plot(x, y, dots=dots)


def interval(value: Score | Difference, axis: Axis) -> Mapping[str, float]:
    """Where value and interval lie, percent of an axis; what is outside ends at its edge."""
    clipped = {"low": value.low, "value": value.value, "high": value.high}
    return {name: min(max(axis.at(v), 0.0), 100.0) for name, v in clipped.items()}


def _curve(name: str, points: Sequence[tuple[int, float]], x: Axis, y: Axis) -> Curve:
    places = [f"{x.at(step)},{100 - y.at(loss):.2f}" for step, loss in points]
    return Curve(name, " ".join(places if len(places) > 1 else 2 * places), len(places) == 1)


def _around(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    room = MARGIN * (high - low) or 0.05
    return Axis(low - room, high + room)


def _rounded(value: float) -> float:
    return round(float(value), 10) + 0.0  # no -0
