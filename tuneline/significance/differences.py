"""How sure a score or a difference between two models is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tuneline.reports import ComparisonVerdict, Difference, Score
from tuneline.significance.bounded import score_interval, score_test_p
from tuneline.significance.certainty import Certainty
from tuneline.significance.intervals import bootstrap, wilson
from tuneline.significance.multiplicity import holm
from tuneline.significance.permutation import sign_flip_p
from tuneline.significance.power import detectable_gain, is_right_or_wrong, rows_needed

USUAL = Certainty()


class Judgement(NamedTuple):
    """What paired differences tell."""

    low: float
    high: float
    p_value: float
    """Two-sided, of the true difference being the threshold."""
    verdict: ComparisonVerdict


def score(values: Sequence[float | None], alpha: float = USUAL.alpha) -> Score:
    """Mean of per-record scores with its interval.

    Wilson's where every score is 0 or 1, else the percentile bootstrap over records.

    Args:
        values: N scores in [0, 1]; None where the record is unscored.
        alpha: The interval holds 1 - alpha.

    Raises:
        ValueError: No record is scored.
    """
    scored = _scored(values)
    if scored.size == 0:
        raise ValueError("no record is scored")
    low, high = (wilson if is_right_or_wrong(scored) else bootstrap)(scored, alpha)
    return Score(float(scored.mean()), low, high, scored.size, len(values) - scored.size)


def paired_difference(
    candidate: Sequence[float | None],
    baseline: Sequence[float | None],
    certainty: Certainty = USUAL,
    *,
    threshold: float = 0.0,
    noise: float = 0.0,
    n_questions: int = 1,
) -> Difference:
    """Mean difference candidate - baseline over the same records, and what it tells.

    A record that is unscored for either model is left out. Interval and p-value both have to speak
    for a verdict, so the more cautious one decides; which ones they are is in
    docs/comparing-models.md.

    Args:
        candidate: N scores in [0, 1], None where unscored.
        baseline: N scores of the same records in the same order.
        certainty: Error, power and the gain that is wanted.
        threshold: The difference that is tested against, in (-1, 1).
        noise: A difference no further from the threshold than this tells nothing.
        n_questions: Judged together, see `judged_together`; for the rows needed.

    Raises:
        ValueError: The lengths differ, or no record is scored for both.
    """
    pairs = zip(candidate, baseline, strict=True)
    both = [c - b for c, b in pairs if c is not None and b is not None]
    if not both:
        raise ValueError("no record is scored for both models")
    differences = np.round(both, 12)
    low, high, p_value, verdict = judge(differences, certainty.alpha, threshold, noise)
    effect = -threshold if threshold < 0 else certainty.wanted_gain
    needed = rows_needed(differences, effect, certainty, n_questions)
    return Difference(
        value=float(differences.mean()),
        low=low,
        high=high,
        n=differences.size,
        verdict=verdict,
        threshold=threshold,
        p_value=p_value,
        p_adjusted=p_value,
        detectable=detectable_gain(_scored(baseline), certainty, n_questions),
        more_rows=max(0, needed - differences.size),
    )


def judge(
    differences: np.ndarray, alpha: float, threshold: float = 0.0, noise: float = 0.0
) -> Judgement:
    """Interval, p-value, and the verdict for which both have to speak.

    Args:
        differences: N paired differences in [-1, 1].
        alpha: Two-sided error.
        threshold: The difference that is tested against.
        noise: A mean no further from the threshold than this tells nothing.
    """
    low, high = _interval(differences, alpha)
    p_value = score_test_p(differences, threshold) if threshold else sign_flip_p(differences)
    is_sure = p_value <= alpha and abs(float(differences.mean()) - threshold) > noise
    verdict = _verdict(low - threshold, high - threshold) if is_sure else "cannot tell"
    return Judgement(low, high, p_value, verdict)


def judged_together(
    differences: Mapping[str, Difference], certainty: Certainty = USUAL
) -> dict[str, Difference]:
    """Adjust p-values by Holm; a verdict that rests on one of many chances is taken back.

    Args:
        differences: Question -> its difference, as `paired_difference` gives it.
        certainty: Of the error.
    """
    adjusted = holm({name: difference.p_value for name, difference in differences.items()})
    return {
        name: replace(
            difference,
            p_adjusted=adjusted[name],
            verdict=difference.verdict if adjusted[name] <= certainty.alpha else "cannot tell",
        )
        for name, difference in differences.items()
    }


def _scored(values: Sequence[float | None]) -> np.ndarray:
    return np.array([value for value in values if value is not None], dtype=float)


def _verdict(low: float, high: float) -> ComparisonVerdict:
    if low > 0:
        return "better"
    return "worse" if high < 0 else "cannot tell"


def _interval(differences: np.ndarray, alpha: float) -> tuple[float, float]:
    """Tango's where both models are right or wrong on every record, else the paired bootstrap."""
    if is_right_or_wrong(np.abs(differences)):
        return score_interval(differences, alpha)
    if 2.0 ** (1 - differences.size) > alpha:  # even if all pairs agree, chance explains it
        return -1.0, 1.0
    return bootstrap(differences, alpha)
