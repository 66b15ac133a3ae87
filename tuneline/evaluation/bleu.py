"""Sentence BLEU through sacreBLEU, in [0, 1], with the tokenizer that the reference asks for."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from tuneline.evaluation.words import has_chinese

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

NAME = "sacrebleu 13a, zh where the reference has Chinese; effective order"


def bleu(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """BLEU-4 per record (Papineni et al. 2002), divided by 100.

    Args:
        predictions: N model outputs.
        references: N expected answers, in the same order.

    Returns:
        N scores in [0, 1]; equal to sacreBLEU's `sentence_score` with `effective_order=True`.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    return [_sentence(text, reference) for text, reference in pairs]


def _sentence(prediction: str, reference: str) -> float:
    metric = _metric("zh" if has_chinese(reference) else "13a")
    score = float(metric.sentence_score(prediction, [reference]).score)
    return min(1.0, score / 100)  # sacreBLEU rounds to a little over 100


@cache
def _metric(tokenizer: str) -> "BLEU":
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenizer, effective_order=True)
