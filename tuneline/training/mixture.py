"""How much of each source is trained on. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from tuneline.records import Record


def mix(records: Sequence[Record], fractions: Mapping[str, float]) -> list[Record]:
    """The records to train on, in their order.

    Args:
        records: All training records. Splits are ordered by digest, so the first of a source are
            a random sample that stays when others come.
        fractions: Source -> share of its records that is kept, in (0, 1], rounded up; sources not
            named are kept whole.
    """
    totals = Counter(record.source for record in records)
    left = {source: math.ceil(fractions.get(source, 1) * n) for source, n in totals.items()}
    kept = []
    for record in records:
        if left[record.source]:
            left[record.source] -= 1
            kept.append(record)
    return kept
