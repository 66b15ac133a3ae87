"""What people, and a judge model, say of two models' answers to the same prompts."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuneline.reports.evaluation import ComparisonVerdict


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often the candidate's answer is preferred, with its 95 % interval."""

    value: float
    """(wins + ties / 2) / prompts, in [0, 1]; 0.5 says that nobody wins."""
    low: float
    high: float
    n: int
    """Prompts judged; where several people judged one, their mean counts once."""
    wins: int
    """Verdicts for the candidate."""
    losses: int
    same: int
    """Verdicts that both are as good: a tie."""
    both_bad: int
    """Verdicts that neither will do: a tie as well."""
    verdict: ComparisonVerdict
    """better: the interval lies above one half; worse: below; else cannot tell."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two judges of the same pairs agree: candidate, baseline or tie."""

    first: str
    second: str
    n: int
    """Pairs that both judged."""
    share: float
    """Of the pairs: the same verdict, in [0, 1]."""
    low: float
    """95 % interval of the share."""
    high: float
    kappa: float | None
    """Cohen's kappa (1960): 1 is full agreement, 0 what chance gives; None where each of the two
    gave one and the same verdict throughout."""
    kappa_low: float | None = None
    kappa_high: float | None = None


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """A judge model held against the people."""

    model: str
    n: int
    """Pairs that it judged."""
    n_swayed: int
    """Pairs where it took the other side when the sides were changed: they count as ties."""
    n_unreadable: int
    """Pairs without a verdict that could be read: they do not count."""
    calibration: Agreement | None
    """Against the verdicts of people; None where nobody judged what it judged."""
    win_rate: WinRate | None
    """None until it is calibrated: a number nobody checked is not shown."""
    note: str
    """Why the win rate is shown, or why not, in a sentence."""


@dataclass(frozen=True, slots=True)
class ReviewReport:
    """One review: the verdicts so far."""

    review: str
    """Its id: digest of pairs and seed."""
    candidate: str
    baseline: str
    n_pairs: int
    n_equal: int
    """Prompts that both models answer alike: not shown to anybody, not in the win rate."""
    n_judged: int
    """Pairs with at least one person's verdict."""
    reviewers: Mapping[str, int]
    """Reviewer -> verdicts."""
    win_rate: WinRate | None
    """None before the first verdict."""
    agreements: tuple[Agreement, ...] = ()
    """Each two people that judged the same pairs."""
    judges: tuple[JudgeReport, ...] = ()
