"""Is the whole answer right, to the letter?"""

from collections.abc import Sequence

from tuneline.records import comparison_text

NAME = "NFKC, lower case, single spaces"


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """1.0 where prediction and reference read the same (NFKC, lower case, single spaces)."""
    pairs = zip(predictions, references, strict=True)
    return [float(comparison_text(p) == comparison_text(r)) for p, r in pairs]
