"""Size and speed against quality, as a picture: which variants no other one beats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.reports import QuantizationReport, QuantizedVariant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, report.variants, lambda v: v.size_mib, lambda v: v.size_mib)
    left.set(xlabel="weights on disk, MiB (left is better)", ylabel="task score, 95 % interval")
    _draw(right, report.variants, lambda v: -v.tokens_per_s, lambda v: v.tokens_per_s)
    right.set(xlabel="generated tokens per second (right is better)")
    kinds = [kind for kind in COLORS if any(_kind(v) == kind for v in report.variants)]
    handles = [Line2D([], [], marker="o", ls="", color=COLORS[k], label=k) for k in kinds]
    handles.append(Line2D([], [], color="0.6", ls="--", label="Pareto front"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    title = f"{len(report.variants)} variants on {report.n_prompts} prompts"
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def _draw(
    axes: "Axes",
    variants: Sequence[QuantizedVariant],
    cost: Cost,
    at: Callable[[QuantizedVariant], float],
) -> None:
    front = pareto_front(variants, cost)
    axes.plot([at(v) for v in front], [v.score.value for v in front], "--", color="0.6", zorder=1)
    for i, variant in enumerate(variants):
        x, score = at(variant), variant.score
        axes.errorbar(
            x,
            score.value,
            yerr=[[score.value - score.low], [score.high - score.value]],
            fmt="o" if variant in front else "x",
            color=COLORS[_kind(variant)],
            capsize=2,
            elinewidth=0.8,
            markersize=7,
        )
        offset = (7, 6 + 11 * (i % 2))
        axes.annotate(
            variant.name, (x, score.value), xytext=offset, textcoords="offset points", fontsize=8
        )
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlim(0, 1.18 * max(at(v) for v in variants))
    axes.grid(alpha=0.3)


def _kind(variant: QuantizedVariant) -> str:
    return "reference" if variant.gate is None else variant.gate.verdict
