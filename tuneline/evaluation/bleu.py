"""Sentence BLEU as sacreBLEU computes it, with the tokenizer that the reference asks for."""

import re
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from tuneline.evaluation.rouge import n_common
from tuneline.evaluation.words import has_chinese

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

ORDER = 4
_CHINESE = (
    r"\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u33ff"
    r"\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9"
    r"\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef"
)
"""What sacreBLEU's `zh` tokenizer sets apart, as it reads its own table."""
_PIECE = re.compile(rf"(?!\s)[{_CHINESE}]|[^\s{_CHINESE}]+")


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


def tokenizer(references: Sequence[str]) -> str:
    """Name of the tokenizers that these references ask for, with the other settings."""
    kinds = {has_chinese(reference) for reference in references}
    chosen = {frozenset({True}): "zh", frozenset({False}): "13a"}
    named = chosen.get(frozenset(kinds), "13a, zh where the reference has Chinese")
    return f"sacrebleu {named}; effective order, exponential smoothing"


def _sentence(prediction: str, reference: str) -> float:
    cut = _cut_chinese if has_chinese(reference) else _cut_english
    theirs, ours = cut(prediction.rstrip()), cut(reference.rstrip())
    correct = [0] * ORDER
    for n in range(ORDER):
        correct[n] = n_common(_n_grams(theirs, n + 1), _n_grams(ours, n + 1))
        if not correct[n]:
            break  # no longer one is common either
    total = [max(0, len(theirs) - n) for n in range(ORDER)]
    score = _metric("13a").compute_bleu(
        correct, total, len(theirs), len(ours), smooth_method="exp", effective_order=True
    )
    return min(1.0, float(score.score) / 100)  # sacreBLEU rounds to a little over 100


def _n_grams(tokens: list[str], n: int) -> Iterable[Hashable]:
    return tokens if n == 1 else zip(*(tokens[i:] for i in range(n)), strict=False)


def _cut_english(text: str) -> list[str]:
    cut: str = _metric("13a").tokenizer(text)
    return cut.split()


def _cut_chinese(text: str) -> list[str]:
    """Tokens of sacreBLEU's `zh`: set characters apart, then cut only what lies between them.

    sacreBLEU cuts the whole spaced line by four expressions, which takes ten times as long. They
    see a space on either side of a piece, except at the ends of the line.
    """
    pieces = _PIECE.findall(text.strip())
    last = len(pieces) - 1
    tokens: list[str] = []
    for i, piece in enumerate(pieces):
        if len(piece) == 1:
            tokens.append(piece)
        else:
            tokens += _between(f"{' ' * (i > 0)}{piece}{' ' * (i < last)}").split()
    return tokens


def _between(piece: str) -> str:
    cut: str = _metric("zh").tokenizer._post_tokenizer(piece)
    return cut


@cache
def _metric(name: str) -> "BLEU":
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=name, effective_order=True)
