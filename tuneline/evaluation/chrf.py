"""chrF through sacreBLEU: F-score of shared character n-grams, in any language."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sacrebleu.metrics import CHRF

NAME = "characters without spaces, n-grams of 1-6, beta 2"


def chrf(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """chrF2 per record (Popović 2015), divided by 100.

    Args:
        predictions: N model outputs.
        references: N expected answers, in the same order.

    Returns:
        N scores in [0, 1]; equal to sacreBLEU's `sentence_score`.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    metric = _metric()
    return [min(1.0, metric.sentence_score(p, [r]).score / 100) for p, r in pairs]


@cache
def _metric() -> "CHRF":
    from sacrebleu.metrics import CHRF

    return CHRF()
