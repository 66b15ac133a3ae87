"""F1 of tokens, for short answers that are spans of a text."""

import re
from collections.abc import Sequence

from tuneline.evaluation.rouge import f1, n_common
from tuneline.evaluation.words import HAN
from tuneline.records import comparison_text

NAME = "SQuAD 1.1 words, Chinese by characters"

_HAN = re.compile(f"([{HAN}])")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def token_f1(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """F1 over multisets of tokens per record (Rajpurkar et al. 2016, section 6.1).

    A token that the reference has once counts once. English is read as SQuAD's script reads it:
    lower case, no punctuation, no articles. Every Chinese character is a token.

    Args:
        predictions: N model outputs.
        references: N expected answers, in the same order.

    Returns:
        N scores in [0, 1]; 0 where either has no token.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    return [_f1(_tokens(text), _tokens(reference)) for text, reference in pairs]


def _f1(prediction: list[str], reference: list[str]) -> float:
    return f1(n_common(prediction, reference), len(prediction), len(reference))


def _tokens(text: str) -> list[str]:
    bare = _PUNCTUATION.sub("", comparison_text(text))
    apart = bare if bare.isascii() else _HAN.sub(r" \1 ", bare)
    return _ARTICLE.sub(" ", apart).split()
