"""What a trainer logged, step by step, as the watchdog reads it. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

EDGE = 20
"""Most losses that count as the beginning, and as the end."""
KEPT = 64
"""Last losses that `thin` keeps."""


@dataclass(frozen=True, slots=True)
class Point:
    """What the trainer logged at one step."""

    step: int
    loss: float | None = None
    grad_norm: float | None = None
    """Norm of the gradient before clipping."""
    eval_loss: float | None = None


def points(log_history: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The points in a trainer's `state.log_history`; entries without a loss are left out."""
    return [
        Point(int(h["step"]), h.get("loss"), h.get("grad_norm"), h.get("eval_loss"))
        for h in log_history
        if "loss" in h or "eval_loss" in h
    ]


def curve(log_history: Iterable[Mapping[str, Any]], name: str) -> tuple[tuple[int, float], ...]:
    """(step, value) of one number wherever it was logged and is finite."""
    return tuple(
        (int(h["step"]), float(h[name]))
        for h in log_history
        if math.isfinite(h.get(name, math.nan))
    )


def losses_of(history: Iterable[Point]) -> list[float]:
    """Training losses in order."""
    return [p.loss for p in history if p.loss is not None]


def validation_of(history: Iterable[Point]) -> list[tuple[float, int]]:
    """Validation losses in order, each with its step."""
    return [(p.eval_loss, p.step) for p in history if p.eval_loss is not None]


def ends(losses: Sequence[float]) -> tuple[float, float]:
    """Loss at the beginning, its median or the mean of the first three, and median at the end."""
    n = min(EDGE, max(3, len(losses) // 3))
    return max(median(losses[:n]), fmean(losses[:3])), median(losses[-n:])


def thin(history: Sequence[Point]) -> list[Point]:
    """A shorter history that is judged the same: both ends, the highest values, and validation."""
    logged = [i for i, p in enumerate(history) if p.loss is not None]
    if len(logged) <= EDGE + KEPT:
        return list(history)
    middle = range(logged[EDGE], logged[-KEPT])
    kept = {i for i in middle if history[i].eval_loss is not None}
    for name in ("loss", "grad_norm"):
        kept.add(max(middle, key=lambda i: _height(getattr(history[i], name))))
    return [
        *history[: middle.start],
        *(history[i] for i in sorted(kept)),
        *history[middle.stop :],
    ]


def _height(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else -1.0
