"""The data funnel and the certificate that nothing leaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
