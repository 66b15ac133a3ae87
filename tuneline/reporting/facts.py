"""What a release page shows: plain values, JSON on disk, digest in the ledger."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from tuneline.release.checks import GateCheck
from tuneline.release.promotion import Decision
from tuneline.reporting.answers import ShownRow, cut
from tuneline.reports import (
    Comparison,
    DataReport,
    DifferentAnswer,
    EvalReport,
    Forgetting,
    Look,
    QuantizationReport,
    TrainingReport,
)
from tuneline.store import digest_of

N_DIFFERENT = 5
"""Different answers shown of each quantized variant."""


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Everything that is known when the decision is taken, before there is a release name."""

    domain: str
    decision: Decision
    comparisons: tuple[Comparison, ...]
    """Candidate against base, and against the champion where there is one; the last one decides."""
    data: DataReport
    training: TrainingReport
    quantizations: QuantizationReport | None
    rows: tuple[ShownRow, ...]
    """Holdout rows with every model's answer; a choice where there are many."""
    n_rows: int
    """Holdout rows in all."""
    confidence: float = 0.95
    """Of the intervals: 1 - the gate's alpha."""
    forecast: tuple[Mapping[str, str], ...] = ()
    """What training was forecast to take, and what it took."""
    forgetting: Forgetting | None = None
    """Candidate against base on general questions; None where the profile asks none."""
    look: Look | None = None
    """How often this holdout was looked at."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """What the candidate is made of: base model, data, code, packages, each with its digest."""
    checks: tuple[GateCheck, ...] = ()
    """What the gate looked at."""

    @property
    def models(self) -> tuple[EvalReport, ...]:
        """Every model measured, the candidate last."""
        baselines = [comparison.baseline for comparison in self.comparisons]
        return (*baselines, self.comparisons[-1].candidate)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, the same before and after it was on disk."""
        stored = msgspec.json.decode(msgspec.json.encode(self), type=ReleaseFacts)
        return digest_of(msgspec.to_builtins(stored))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the registry made of the decision."""

    release: str | None
    """None for a refused candidate."""
    number: str | None
    """Version in the registry."""
    alias: str | None
    candidate: str
    """Key of the candidate: its MLflow run carries it as a tag."""
    run_id: str
    evidence: str
    """Digest that the ledger's event carries."""


def brief(report: DataReport) -> DataReport:
    """The report without examples of rows, which the data report shows."""
    return replace(report, files=(), clusters=(), conflicts=(), certificate=None)


def few_answers(
    report: QuantizationReport, protect: Callable[[str], str] = str
) -> QuantizationReport:
    """The report with the first few different answers of each variant, as they may be shown."""

    def shown(answer: DifferentAnswer) -> DifferentAnswer:
        texts = (answer.prompt, answer.reference, answer.reference_answer, answer.answer)
        prompt, reference, theirs, ours = (cut(protect(text)) for text in texts)
        return replace(
            answer, prompt=prompt, reference=reference, reference_answer=theirs, answer=ours
        )

    variants = [
        replace(v, different_answers=tuple(map(shown, v.different_answers[:N_DIFFERENT])))
        for v in report.variants
    ]
    return replace(report, variants=tuple(variants))


def flatten(values: Mapping[str, object], keys: Sequence[str]) -> dict[str, str]:
    """Named entries of a lineage as texts, nested ones as `packages.torch`."""
    found: dict[str, str] = {}
    for key in keys:
        value = values.get(key)
        if isinstance(value, Mapping):
            found |= {f"{key}.{name}": str(inner) for name, inner in value.items()}
        elif value not in (None, "", [], ()):
            found[key] = str(value)
    return found
