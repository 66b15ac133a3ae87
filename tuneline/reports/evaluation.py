"""Scores of models on a holdout, and their differences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuneline.reports.details import FieldScore, LabelTable
from tuneline.reports.speed import Latency, Perplexity

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
    n_not_judged: int = 0
    """Answers that the metric has nothing to judge in, such as a citation."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean paired difference candidate - baseline, with its interval and what it tells."""

    value: float
    low: float
    high: float
    n: int
    """Records scored for both models."""
    verdict: ComparisonVerdict
    """better: beyond doubt above `threshold`; worse: below it; else cannot tell."""
    threshold: float = 0.0
    """The difference that verdict and p-values are about; -0.05 asks for a loss of at most that."""
    p_value: float = 1.0
    """Two-sided: how often chance alone is that far from `threshold`."""
    p_adjusted: float = 1.0
    """After Holm over the differences that are judged together; what the verdict rests on."""
    detectable: float | None = None
    """Least difference that so many records show with the wanted power; known before the candidate
    answers, from the baseline's scores alone."""
    more_rows: int | None = None
    """About so many records more would show the wanted gain; 0: these would have shown it. Of use
    where the verdict is `cannot tell`."""

    @property
    def answer(self) -> str:
        """The verdict in words, such as `better` or `better than -0.05`."""
        if self.verdict == "cannot tell" or self.threshold == 0:
            return self.verdict
        return f"{self.verdict} than {self.threshold:+.2f}"


@dataclass(frozen=True, slots=True)
class Noise:
    """How far the scores of one model move when it answers the same records once more."""

    n_repeats: int
    """Times that it answered again, each in other batches."""
    changed_fraction: float
    """Records whose answer was another at least once."""
    moved: Mapping[str, Mapping[str, float]]
    """Slice -> metric -> largest distance of a repeat's mean from the reported one."""


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
    noise: Noise | None = None
    """None where no repeats were asked for."""
    latency: Latency | None = None
    perplexity: Mapping[str, Perplexity] = field(default_factory=dict)
    """Slice -> perplexity of the reference answers; empty where it was not measured."""
    n_empty: int = 0
    """Answers without a word; scored 0."""
    labels: Mapping[str, LabelTable] = field(default_factory=dict)
    """Source judged by label_accuracy -> its classes and what they are confused with."""
    fields: Mapping[str, Mapping[str, FieldScore]] = field(default_factory=dict)
    """Source with JSON answers -> field -> how often it is right."""
    citations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Source -> exists, repealed, no such article, unknown law -> citations in the answers."""


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
    metrics: Mapping[str, Difference] = field(default_factory=dict)
    """Metric that the gate asks for -> its difference over all records; `task_score` among them."""
    confidence: float = 0.95
    """Share of such intervals that hold the truth."""
    slices: tuple[SliceDifference, ...] = ()
    """The holdout by source, label, length and language."""
    regressions: Regressions | None = None
    """Rows that the baseline has right and the candidate does not."""
