"""Size and speed against quality, as a picture: which variants no other one beats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.reports import QuantizationReport, QuantizedVariant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

COLORS = {"pass": "#1a7f37", "fail": "#c62828", "cannot tell": "#b26a00", "reference": "#1f4e9c"}
"""Verdict of the gate -> colour."""
Cost = Callable[[QuantizedVariant], float]


def pareto_front(variants: Sequence[QuantizedVariant], cost: Cost) -> list[QuantizedVariant]:
    """Variants that no other one beats: none has a better score at no higher cost.

    Args:
        variants: As measured.
        cost: Lower is better.

    Returns:
        By rising cost, and so by rising score.
    """
    front: list[QuantizedVariant] = []
    for variant in sorted(variants, key=lambda v: (cost(v), -v.score.value)):
        if not front or variant.score.value > front[-1].score.value:
            front.append(variant)
    return front


def draw_pareto(report: QuantizationReport, path: Path) -> None:
    """Draw score over size and score over speed as PNG, with intervals and both Pareto fronts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, report.variants, lambda v: v.size_mib, lambda v: v.size_mib)
    left.set(xlabel="weights on disk, MiB (left is better)", ylabel="task score, 95 % interval")
    _draw(right, report.variants, lambda v: -v.tokens_per_s, lambda v: v.tokens_per_s)
    right.set(xlabel="generated tokens per second (right is better)")
    figure.legend(handles=_legend(report.variants), loc="outside right upper", fontsize=9)
    title = f"{len(report.variants)} variants on {report.n_prompts} prompts"
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def _draw(
    axes: "Axes",
    variants: Sequence[QuantizedVariant],
    cost: Cost,
    at: Callable[[QuantizedVariant], float],
) -> None:
    """Numbered points, filled where no other variant beats them."""
    front = pareto_front(variants, cost)
    axes.plot([at(v) for v in front], [v.score.value for v in front], "--", color="0.6", zorder=1)
    for number, variant in enumerate(variants, start=1):
        x, score, color = at(variant), variant.score, COLORS[_kind(variant)]
        errors = [[score.value - score.low], [score.high - score.value]]
        axes.errorbar(x, score.value, yerr=errors, color=color, capsize=2, elinewidth=0.8, zorder=2)
        is_best = variant in front
        face = color if is_best else "white"
        axes.plot(x, score.value, "o", ms=13, mfc=face, mec=color, zorder=3, alpha=0.9)
        axes.annotate(
            str(number),
            (x, score.value),
            ha="center",
            va="center",
            color="white" if is_best else color,
            fontsize=8,
            zorder=4,
        )
    axes.set_ylim(min(v.score.low for v in variants) - 0.04, 1.04)
    axes.set_xlim(0, 1.08 * max(at(v) for v in variants))
    axes.grid(alpha=0.3)


def _legend(variants: Sequence[QuantizedVariant]) -> "list[Line2D]":
    """Number and name of each variant in the colour of its verdict, then what the signs mean."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="", marker=f"${number}$", ms=8, color=COLORS[_kind(v)], label=v.name)
        for number, v in enumerate(variants, start=1)
    ]
    handles += [
        Line2D([], [], ls="", marker="s", color=color, label=kind)
        for kind, color in COLORS.items()
        if any(_kind(v) == kind for v in variants)
    ]
    front = Line2D([], [], color="0.6", ls="--", marker="o", label="Pareto front")
    return [*handles, front]


def _kind(variant: QuantizedVariant) -> str:
    return "reference" if variant.gate is None else variant.gate.verdict
