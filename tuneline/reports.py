"""What stages tell each other in numbers: frozen, and JSON on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

ALL = "all"
"""Name of the slice that holds every record."""
TASK_SCORE = "task_score"
"""Per record: the score by the metric that its source is judged by."""

ComparisonVerdict = Literal["better", "worse", "cannot tell"]
T = TypeVar("T")


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
class Comparison:
    """Candidate against one baseline on the same rows."""

    candidate: EvalReport
    baseline: EvalReport
    differences: Mapping[str, Difference]
    """Slice -> difference of `task_score`."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """The data funnel: read = kept + dropped, and where the kept ones went."""

    n_read: int
    n_kept: int
    dropped: Mapping[str, Mapping[str, int]]
    """Stage (formats, cleaning, exact_dedup, near_dedup, leakage) -> reason -> records."""
    splits: Mapping[str, Mapping[str, int]]
    """train, validation, holdout -> source -> records."""
    sources: Mapping[str, Mapping[str, int]]
    """Source -> {read, kept}."""
    n_conflicts: int = 0
    """Prompts that kept more than one answer."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """File -> encoding it was read with."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How the adapter came to be."""

    n_steps: int
    n_train_records: int
    n_trainable_parameters: int
    train_s: float
    """Wall time inside the trainer, seconds, resumed parts included."""
    peak_memory_mib: float
    losses: tuple[tuple[int, float], ...]
    """(step, training loss per token)."""
    validation_losses: tuple[tuple[int, float], ...]
    machine: str
    """Device, dtype and optimizer in words, and what was replaced."""


@dataclass(frozen=True, slots=True)
class QuantizedVariant:
    """One quantization of the merged model, measured by itself against the reference."""

    name: str
    size_mib: float
    """Weights on disk, MiB."""
    tokens_per_s: float
    score: Score
    """`task_score` on the prompts of the comparison."""
    exact: int
    """Answers equal to the reference model's."""
    similar: int
    """Answers that differ but have ROUGE-L >= the profile's threshold."""
    different: int


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """Every variant on the same prompts; the first one is the reference."""

    variants: tuple[QuantizedVariant, ...]
    n_prompts: int
    similar_from: float
    """ROUGE-L from which a differing answer counts as similar."""


def save_report(path: Path, report: object) -> None:
    """Write a report as JSON."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    partial.replace(path)


def load_report(path: Path, kind: type[T]) -> T:
    """Read what `save_report` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=kind)
