"""Does the answer hold the reference somewhere? For short facts, in a sentence or alone."""

import re
from collections.abc import Sequence
from functools import lru_cache

from tuneline.records import comparison_text

NAME = "NFKC, lower case, single spaces; whole words and numbers"

_BEFORE_WORD, _AFTER_WORD = "(?<![0-9a-z])", "(?![0-9a-z])"
_BEFORE_NUMBER, _AFTER_NUMBER = _BEFORE_WORD + "(?<![0-9][.,])", _AFTER_WORD + "(?![.,][0-9])"


def contains(predictions: Sequence[str], references: Sequence[str]) -> list[float | None]:
    """1.0 where the prediction holds the reference as whole words, wherever it stands.

    "The capital of France is Paris." holds "Paris"; "366" does not hold "66", nor "0.5" "5". A long
    answer that lists many things holds more: bound it by `max_new_tokens`.

    Args:
        predictions: N model outputs.
        references: N short expected answers.

    Returns:
        N scores, 0 or 1; None where the reference is empty.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    return [_holds(comparison_text(text), comparison_text(expected)) for text, expected in pairs]


def _holds(text: str, expected: str) -> float | None:
    return float(_pattern(expected).search(text) is not None) if expected else None


@lru_cache(1024)
def _pattern(expected: str) -> re.Pattern[str]:
    first, last = expected[0], expected[-1]
    before = _BEFORE_NUMBER if first in "0123456789" else _BEFORE_WORD
    after = _AFTER_NUMBER if last in "0123456789" else _AFTER_WORD
    return re.compile(
        (before if first.isascii() and first.isalnum() else "")
        + re.escape(expected)
        + (after if last.isascii() and last.isalnum() else "")
    )
