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
class FileReport:
    """One input file as it was read."""

    path: str
    source: str
    container: str
    """json, jsonl, csv, tsv, xlsx, xls, parquet or txt; `.gz` behind it where it was compressed."""
    encoding: str
    """utf-8, utf-8-sig, gb18030, or binary."""
    format: str
    """Name in `FORMATS`."""
    digest: str
    """SHA-256 of the file's bytes."""
    n_read: int
    n_bad: int
    """Rows that are no record: they lie in quarantine."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Near-duplicates: the record that stayed and those that it stands for."""

    size: int
    """Records in it, the kept one included."""
    kept: str
    """`file:line` of the record that stayed."""
    text: str
    """What the kept record says, shortened."""
    dropped: tuple[str, ...]
    """`file:line` of the first ones that went."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One prompt with different answers."""

    prompt: str
    """Shortened."""
    answers: tuple[str, ...]
    """The first different answers, shortened."""
    places: tuple[str, ...]
    """`file:line` of each answer."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A record that says what a hidden record says."""

    place: str
    """`file:line` of the record that was dropped for it."""
    hidden: str
    """Where the hidden record stands."""
    kind: Literal["same_prompt", "near_duplicate"]
    text: str
    """What the dropped record says, shortened."""


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """Two sides compared."""

    seen: str
    """Side that a model learns from: train or validation."""
    hidden: str
    """validation, holdout, `earlier holdouts`, or the path of a benchmark file."""
    n_seen: int
    n_hidden: int
    found: int
    """Records dropped because of it."""
    remaining: int
    """Leaks that a second search with other hash functions still finds: 0 in a clean split."""
    examples: tuple[Leak, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Says that no side was trained on before it is measured on; evaluation refuses without it."""

    checks: tuple[LeakCheck, ...]
    threshold: float
    """Jaccard similarity of word or character pairs from which two texts are near-duplicates."""
    train_digest: str
    """`rows_digest` of the side."""
    validation_digest: str
    holdout_digest: str

    @property
    def is_clean(self) -> bool:
        """Whether the second search found nothing."""
        return all(check.remaining == 0 for check in self.checks)


@dataclass(frozen=True, slots=True)
class DataReport:
    """The data funnel: read = kept + dropped, where the kept ones went, and what they are like."""

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
    files: tuple[FileReport, ...] = ()
    findings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Cleaning rule -> mended, redacted or reported -> records."""
    languages: Mapping[str, int] = field(default_factory=dict)
    """zh, en, `zh+en`, another ISO 639 code, or `unknown` -> kept records."""
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Source whose answers are a few short labels -> label -> kept records."""
    tokens: Mapping[str, int] = field(default_factory=dict)
    """Upper bound of a bin in tokens -> kept records; empty without the base model's tokenizer."""
    n_truncated: int = 0
    """Kept records that are longer than training takes."""
    max_tokens: int = 0
    """What training takes, tokens; 0 where unknown."""
    cluster_sizes: Mapping[str, int] = field(default_factory=dict)
    """Size of a cluster of near-duplicates -> clusters."""
    clusters: tuple[Cluster, ...] = ()
    """The largest ones."""
    conflicts: tuple[Conflict, ...] = ()
    """The first ones."""
    certificate: Certificate | None = None
    """None where the run stopped before the split."""
    answer_chars: Mapping[str, int] = field(default_factory=dict)
    """Source -> median length of its kept answers, characters; empty where not measured."""


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
    rungs: tuple[str, ...] = ()
    """What gave way when memory ran out, in order; none where it never did."""
    tokens_per_s: float = 0
    """Tokens trained on, padding excluded, per second of the optimizer steps; 0 where unknown."""
    verdict: str = ""
    """healthy, not learning, overfitting or diverging; empty where nobody watched."""
    evidence: str = ""
    """What the verdict rests on, in a sentence."""
    advice: str = ""
    """What to change; empty where nothing is wrong."""
    learning_rates: tuple[tuple[int, float], ...] = ()
    """(step, learning rate)."""
    grad_norms: tuple[tuple[int, float], ...] = ()
    """(step, norm of the gradient before clipping), where it is finite."""


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
