"""ROUGE (Lin 2004) through `rouge_score`, with words that exist in Chinese too."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from tuneline.evaluation.words import words

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


def rouge_1(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ROUGE-1 F1 per record: overlap of words."""
    return _f1("rouge1", predictions, references)


def rouge_2(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ROUGE-2 F1 per record: overlap of pairs of words."""
    return _f1("rouge2", predictions, references)


def rouge_l(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ROUGE-L F1 per record: longest common subsequence of words (Lin 2004, section 3.1).

    Args:
        predictions: N model outputs.
        references: N expected answers, in the same order.

    Returns:
        N scores in [0, 1]; on English equal to `rouge_score` unstemmed.

    Raises:
        ValueError: The lengths differ.
    """
    return _f1("rougeL", predictions, references)


def _f1(kind: str, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    scorer = _scorer(kind)
    pairs = zip(predictions, references, strict=True)
    return [float(scorer.score(reference, text)[kind].fmeasure) for text, reference in pairs]


@cache
def _scorer(kind: str) -> "RougeScorer":
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import Tokenizer

    class Words(Tokenizer):  # type: ignore[misc]
        def tokenize(self, text: str) -> list[str]:
            return words(text)

    return RougeScorer([kind], tokenizer=Words())
