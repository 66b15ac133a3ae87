"""Is a difference between two models real, and what could this holdout show at all?"""

from tuneline.significance.certainty import Certainty
from tuneline.significance.differences import judged_together, paired_difference, score
from tuneline.significance.multiplicity import holm
from tuneline.significance.power import detectable_gain, rows_needed

__all__ = [
    "Certainty",
    "detectable_gain",
    "holm",
    "judged_together",
    "paired_difference",
    "rows_needed",
    "score",
]
