"""What a training's numbers mean: the pattern in its losses, and what to do about it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuneline.training.history import Point, ends, losses_of, validation_of

Pattern = Literal["healthy", "not learning", "overfitting", "diverging"]

GUESS_LOSS = math.log(32_000)
"""Loss of a uniform guess over 32,000 tokens, for a model whose vocabulary is not known."""
WINDOW = 4
"""Logged steps in which jumps are counted: one alone is a hard batch, two are a divergence."""
MIN_LOSSES = 20
"""Losses before a running training is called flat; half as many once it is over."""
MAX_SKIPPED = 20
"""Steps in a row that float16's loss scaling may skip while it looks for its scale."""
LOW_LOSS = 0.3
"""A training loss below it says that the records are known by heart."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a training looks like."""

    pattern: Pattern
    sentence: str
    """What was seen, with its numbers."""
    advice: str = ""
    """What to change; empty where nothing is wrong."""
    should_stop: bool = False


def judge(
    history: Sequence[Point],
    *,
    guess_loss: float = GUESS_LOSS,
    done_fraction: float = 1.0,
    scales_loss: bool = False,
) -> Verdict:
    """Name the pattern of a training from what was logged so far.

    Only a divergence stops a run, and only one that no healthy run shows: a value that is not
    finite; twice in four steps a loss above both 60 % of a blind guess's and twice the highest one
    before; an exploded gradient; or one that is exactly 0.

    Args:
        history: Points in order of their steps.
        guess_loss: Loss of a uniform guess: the logarithm of the vocabulary's size.
        done_fraction: Part of the run that is over. Below 0.2 nothing is called flat: the learning
            rate may still be warming up.
        scales_loss: Whether float16 loss scaling is on, which skips steps whose gradient overflows.
    """
    return (
        _broken(history, scales_loss)
        or _jumped(history, guess_loss)
        or _exploded(history)
        or _rose(history)
        or _overfitted(history)
        or _flat(history, done_fraction)
        or _healthy(history)
    )


def is_in_doubt(history: Sequence[Point], guess_loss: float = GUESS_LOSS) -> bool:
    """Whether one of the last steps jumped: a checkpoint should wait until it proves harmless."""
    losses = losses_of(history)
    return bool(_jumps(losses, _loss_limit(losses, guess_loss)))


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
    if len(logged) >= 2 and all(norm == 0 and loss > 0.01 for _, norm, loss in logged[-2:]):
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


def _rose(history: Sequence[Point]) -> Verdict | None:
    """A loss that crept up. Harder records may look the same: named, but no reason to stop."""
    losses = losses_of(history)
    if len(losses) < MIN_LOSSES or _validation_fell(history):
        return None
    early, late = ends(losses)
    if late < 1.5 * early or late < early + 0.5:
        return None
    return Verdict(
        "diverging", f"the loss rose from {early:.2f} to {late:.2f}", diverging("").advice
    )


def _overfitted(history: Sequence[Point]) -> Verdict | None:
    """Known by heart: the training loss is low while the validation loss rises."""
    losses, measured = losses_of(history), validation_of(history)
    if not losses or len(measured) < 2:
        return None
    late, (best, best_step), (last, last_step) = ends(losses)[1], min(measured), measured[-1]
    has_risen = last > max(1.05 * best, best + 0.02) and last >= measured[-2][0]
    if late >= LOW_LOSS or not has_risen:
        return None
    return Verdict(
        "overfitting",
        f"the training loss is {late:.2f} while the validation loss rose from {best:.2f} at step "
        f"{best_step} to {last:.2f} at step {last_step}",
        f"train for fewer epochs (step {best_step} was best; training.early_stopping_patience "
        "keeps it), raise training.dropout to 0.1, or add data",
    )


def _flat(history: Sequence[Point], done_fraction: float) -> Verdict | None:
    """A loss that stays where it began."""
    losses = losses_of(history)
    enough = MIN_LOSSES if done_fraction < 1 else MIN_LOSSES // 2
    if len(losses) < enough or done_fraction < 0.2 or _validation_fell(history):
        return None
    early, late = ends(losses)
    least_fall = 0.10 if 2.0 <= late <= 2.5 else 0.05
    if late < LOW_LOSS or late < (1 - least_fall) * early:
        return None
    return Verdict(
        "not learning",
        f"the loss is flat: {early:.2f} at the beginning, {late:.2f} up to step {history[-1].step}",
        "raise training.learning_rate 3 to 10 times, and check that the chat template and the "
        "answers are what the model should learn",
    )


def _validation_fell(history: Sequence[Point]) -> bool:
    measured = validation_of(history)
    return len(measured) >= 2 and measured[-1][0] < 0.97 * measured[0][0]


def _healthy(history: Sequence[Point]) -> Verdict:
    losses = losses_of(history)
    if len(losses) < 3:
        return Verdict("healthy", "too few steps were logged to say more")
    early, late = ends(losses)
    first = max(losses[0], early)
    verb = "fell" if late < first else "went"
    return Verdict("healthy", f"the loss {verb} from {first:.2f} to {late:.2f}")
