"""Is the number right? Units, separators and Chinese numerals included."""

import math
from collections.abc import Sequence

from tuneline.evaluation.quantities import Quantity, quantities

NAME = "numbers with units, Chinese numerals by cn2an"
ROUNDING = 1e-9
"""Relative difference that binary fractions make."""


def numeric(
    predictions: Sequence[str], references: Sequence[str], tolerance: float = 0
) -> list[float | None]:
    """1.0 where the prediction states the reference's number.

    Of several numbers the last one of the reference's kind counts, else the last one without a
    unit. A unit may be left out but not be another one: `12 months` is `1 year`; `5` or `0.05` is
    `5 %`; `5 days` is not `5 months`.

    Args:
        predictions: N model outputs.
        references: N expected answers; the last number of each is the expected one.
        tolerance: Largest relative difference that counts as right.

    Returns:
        N scores, 0 or 1; None where the reference has no number.

    Raises:
        ValueError: The lengths differ.
    """
    scores: list[float | None] = []
    for text, reference in zip(predictions, references, strict=True):
        wanted = quantities(reference)
        is_right = bool(wanted) and _states(quantities(text), wanted[-1], tolerance)
        scores.append(float(is_right) if wanted else None)
    return scores


def _states(given: Sequence[Quantity], wanted: Quantity, tolerance: float) -> bool:
    same = [quantity for quantity in given if quantity.kind == wanted.kind]
    if same:
        return _is_close(same[-1].size, wanted.size, tolerance)
    bare = [quantity for quantity in given if not quantity.kind] if wanted.kind else given
    if not bare:
        return False
    values = [wanted.value, wanted.size / 100] if wanted.kind == "percent" else [wanted.value]
    return any(_is_close(bare[-1].value, value, tolerance) for value in values)


def _is_close(given: float, wanted: float, tolerance: float) -> bool:
    return math.isclose(given, wanted, rel_tol=max(tolerance, ROUNDING))
