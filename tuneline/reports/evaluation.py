"""Scores of models on a holdout, and their differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ALL = "all"
"""Name of the slice that holds every record."""
TASK_SCORE = "task_score"
"""Per record: the score by the metric that its source is judged by."""

ComparisonVerdict = Literal["better", "worse", "cannot tell"]
Dimension = Literal["source", "label", "length", "language"]
MIN_SLICE = 10
"""Records under which a slice says "too few"."""


@dataclass(frozen=True, slots=True)
class Score:
    """Mean of a metric over records, with its 95 % interval."""

    value: float
    """In [0, 1]; higher is better."""
    low: float
    high: float
    n: int
    """Records scored."""
    n_unscored: int = 0
    """Records whose generation failed: neither scored nor counted as 0."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean paired difference candidate - baseline, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Records scored for both models."""
    verdict: ComparisonVerdict
    """better: the interval is above 0; worse: below 0; else cannot tell."""


@dataclass(frozen=True, slots=True)
class EvalReport:
    """One model's scores on one holdout."""

    model: str
    """Digest of the artifact that generated the answers."""
    name: str
    """How people call it: base, champion, candidate, int8, ..."""
    holdout_digest: str
    identities: Mapping[str, str]
    """Metric -> its identity: tokenizer, library and version, decoding, digest of the rows."""
    scores: Mapping[str, Mapping[str, Score]]
    """Slice -> metric -> score; slice `all` holds every record."""
    tokens_per_s: float
    """Generated tokens per second of wall time."""


@dataclass(frozen=True, slots=True)
class SliceDifference:
    """Candidate against baseline on one slice of the holdout; for people, the gate looks at none.

    The intervals are each slice's own: of twenty slices without a change one is expected to look
    like one.
    """

    dimension: Dimension
    value: str
    """Such as `overruling`, `overruling: Yes`, `33-128 words` or `zh`."""
    candidate: Score
    baseline: Score
    difference: Difference

    @property
    def is_too_few(self) -> bool:
        """Whether it holds too few records to say anything."""
        return self.difference.n < MIN_SLICE


@dataclass(frozen=True, slots=True)
class Regressions:
    """Holdout rows that the baseline has right and the candidate does not; the rows are a file."""

    n: int
    n_right: int
    """Rows that the baseline has right."""
    right_from: float
    """task_score from which an answer counts as right."""
    digest: str
    """SHA-256 of the file: what a person who signs has signed."""

    @property
    def share(self) -> float:
        """Of the rows that the baseline has right."""
        return self.n / self.n_right if self.n_right else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate against one baseline on the same rows."""

    candidate: EvalReport
    baseline: EvalReport
    differences: Mapping[str, Difference]
    """Slice -> difference of `task_score`."""
    slices: tuple[SliceDifference, ...] = ()
    """The holdout by source, label, length and language."""
    regressions: Regressions | None = None
    """Rows that the baseline has right and the candidate does not."""
