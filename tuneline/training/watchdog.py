"""What a training's numbers mean: the pattern in its losses, and what to do about it. Pure."""

from collections.abc import Sequence

from tuneline.training.divergence import GUESS_LOSS, Verdict, diverging, find_divergence
from tuneline.training.history import Point, ends, losses_of, validation_of

MIN_LOSSES = 20
"""Losses before a running training is called flat; half as many once it is over."""
LOW_LOSS = 0.3
"""A training loss below it says that the records are known by heart."""


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
        find_divergence(history, guess_loss, scales_loss)
        or _rose(history)
        or _overfitted(history)
        or _flat(history, done_fraction)
        or _healthy(history)
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
