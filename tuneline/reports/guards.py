"""What speaks for or against a candidate beside its scores: what it forgot, and a worn holdout."""

from dataclasses import dataclass
from typing import Literal

from tuneline.reports.evaluation import Difference, Score

ForgettingVerdict = Literal["kept", "lost", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Candidate against the base model on general questions, which nothing was trained on."""

    benchmark: str
    candidate: Score
    base: Score
    difference: Difference
    max_loss: float
    """Score that the candidate may lose."""
    verdict: ForgettingVerdict
    """lost: more than `max_loss`, and beyond doubt worse; kept: the interval rules out a loss of
    more than `max_loss`; else cannot tell."""
    blocks: bool
    """Whether this verdict keeps the candidate from being promoted."""


@dataclass(frozen=True, slots=True)
class Look:
    """One candidate's look at a holdout."""

    generation: int
    """`data.split.holdout_generation`: which slice of the domain's data is held out."""
    number: int
    """Looks at this generation of the holdout up to this one, from 1."""
    max_looks: int

    @property
    def is_worn(self) -> bool:
        """Whether the holdout was looked at more often than it should be."""
        return self.number > self.max_looks
