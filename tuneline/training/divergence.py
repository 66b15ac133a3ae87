"""When a training diverges: what no healthy run shows. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuneline.training.history import Point, losses_of

Pattern = Literal["healthy", "not learning", "overfitting", "diverging"]

GUESS_LOSS = math.log(32_000)
"""Loss of a uniform guess over 32,000 tokens, for a model whose vocabulary is not known."""
WINDOW = 4
"""Logged steps in which jumps are counted: one alone is a hard batch, two are a divergence."""
MAX_SKIPPED = 20
"""Steps in a row that float16's loss scaling may skip while it looks for its scale."""
TINY_LOSS = 0.01
"""Below it a gradient of 0 says that nothing is left to learn."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a training looks like."""

    pattern: Pattern
    sentence: str
    """What was seen, with its numbers."""
    advice: str = ""
    """What to change; empty where nothing is wrong."""
    should_stop: bool = False


def find_divergence(
    history: Sequence[Point], guess_loss: float = GUESS_LOSS, scales_loss: bool = False
) -> Verdict | None:
    """The verdict on a run that must stop, or None; arguments as in `watchdog.judge`."""
    return _broken(history, scales_loss) or _jumped(history, guess_loss) or _exploded(history)


def is_in_doubt(history: Sequence[Point], guess_loss: float = GUESS_LOSS) -> bool:
    """Whether the last steps may be the beginning of a divergence, which the next ones will show.

    A loss of the last four jumped, or the last gradient was exactly 0. Checkpoints should wait.
    """
    losses = losses_of(history)
    if _jumps(losses, _loss_limit(losses, guess_loss)):
        return True
    last = next((p for p in reversed(history) if p.loss is not None), Point(0))
    return last.grad_norm == 0 and (last.loss or 0) > TINY_LOSS


def diverging(sentence: str, *, from_the_start: bool = False) -> Verdict:
    """The verdict on a run that must stop."""
    advice = (
        "nothing was learned before it, so the learning rate is not the cause: train in bfloat16 "
        "or float32, and look for records with broken text"
        if from_the_start
        else "divide training.learning_rate by 3 or raise training.warmup_fraction to 0.1; if that "
        "does not help, lower training.max_grad_norm"
    )
    return Verdict("diverging", sentence, advice, should_stop=True)


def _broken(history: Sequence[Point], scales_loss: bool) -> Verdict | None:
    """A value that is not finite."""
    n_skipped, n_steps = 0, 0
    for point in history:
        if point.grad_norm is not None:
            n_steps += 1
            n_skipped = 0 if math.isfinite(point.grad_norm) else n_skipped + 1
        is_overflow = n_skipped >= (MAX_SKIPPED if scales_loss else 1)
        for name, value, is_checked in (
            ("loss", point.loss, True),
            ("validation loss", point.eval_loss, True),
            ("gradient norm", point.grad_norm, is_overflow),
        ):
            if is_checked and value is not None and not math.isfinite(value):
                what = "NaN" if math.isnan(value) else "infinite"
                sentence = f"the {name} is {what} at step {point.step}"
                return diverging(sentence, from_the_start=n_steps <= 1)
    return None


def _jumped(history: Sequence[Point], guess_loss: float) -> Verdict | None:
    """A loss far above anything before, twice in `WINDOW` steps."""
    losses = losses_of(history)
    jumps = _jumps(losses, _loss_limit(losses, guess_loss))
    if len(jumps) < 2:
        return None
    steps = [p.step for p in history if p.loss is not None]
    first, last = jumps[0], jumps[-1]
    return diverging(
        f"the loss jumped to {losses[first]:.2f} at step {steps[first]} and is {losses[last]:.2f} "
        f"at step {steps[last]}; before, it was {max(_calm(losses)):.2f} at most"
    )


def _calm(values: Sequence[float]) -> Sequence[float]:
    """Values before the last `WINDOW`, or the first one."""
    return values[:-WINDOW] or values[:1]


def _loss_limit(losses: Sequence[float], guess_loss: float) -> float:
    return max(2 * max(_calm(losses), default=0.0), 0.6 * guess_loss)


def _jumps(values: Sequence[float], limit: float) -> list[int]:
    """Indices of the values after the calm ones that are above the limit."""
    return [i for i in range(len(_calm(values)), len(values)) if values[i] > limit]


def _exploded(history: Sequence[Point]) -> Verdict | None:
    """A gradient far above anything before, or none at all."""
    logged = [
        (p.step, p.grad_norm, p.loss)
        for p in history
        if p.grad_norm is not None and p.loss is not None and math.isfinite(p.grad_norm)
    ]
    norms = [norm for _, norm, _ in logged]
    if len(logged) >= 2 and all(norm == 0 and loss > TINY_LOSS for _, norm, loss in logged[-2:]):
        return diverging(
            f"the gradient is exactly 0 at steps {logged[-2][0]} and {logged[-1][0]} with the loss "
            f"at {logged[-1][2]:.2f}: the model no longer responds to its weights"
        )
    calm = _calm(norms)
    if len(calm) < 5:
        return None
    jumps = _jumps(norms, max(10 * max(calm), 100))
    if len(jumps) < 3 and norms[-1] <= max(100 * max(calm), 1e4):
        return None
    return diverging(
        f"the gradient norm is {norms[-1]:,.0f} at step {logged[-1][0]}; "
        f"before, it was {max(calm):.1f} at most"
    )
