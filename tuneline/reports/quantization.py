"""Quantized variants side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuneline.reports.evaluation import Difference, Score

GateVerdict = Literal["pass", "fail", "cannot tell"]


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """What the files of a variant really hold."""

    size_mib: float
    """Weights on disk, MiB."""
    bits_per_weight: float
    """8 x bytes of all tensors, scales included / weights of the model."""
    tensor_types: Mapping[str, int]
    """Type, such as `nf4`, `BF16` or `Q4_K` -> tensors."""
    fallbacks: tuple[str, ...] = ()
    """Matrices that the method had to leave in a wider type, as `name: type`."""
    asked_bits_per_weight: float | None = None
    """Bits per weight without the fallbacks: what the format's name promises for this model; None
    where that is not known."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """One model's next-token distributions against a reference's, on the same answers."""

    top1_agreement: float
    """Share of answer tokens at which both have the same most likely token, in [0, 1]."""
    kl: float
    """Mean KL divergence of the reference from the other per answer token, nats."""
    perplexity: float
    """Of the answers, by the other model."""
    reference_perplexity: float
    """Of the same answers, by the reference."""
    n_tokens: int
    """Answer tokens, end tokens included."""


@dataclass(frozen=True, slots=True)
class AnswerShares:
    """How many answers of a slice are those of the reference."""

    exact: int
    """Answers that say the same."""
    similar: int
    """Free text that reads otherwise but has at least the profile's similarity."""
    different: int
    unstable: int = 0
    """Prompts on which the reference, asked again, differs from itself: they tell nothing."""
    different_beyond_noise: int = 0
    """Different answers to the other prompts."""
    difference: Difference | None = None
    """`task_score` of the variant - the reference; its threshold is the margin."""

    @property
    def n(self) -> int:
        """Prompts."""
        return self.exact + self.similar + self.different

    @property
    def n_stable(self) -> int:
        """Prompts that tell something."""
        return self.n - self.unstable


@dataclass(frozen=True, slots=True)
class VariantVerdict:
    """Whether a variant may stand in for its reference, with the reasons in words."""

    verdict: GateVerdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DifferentAnswer:
    """One prompt that a variant answers otherwise, for a person to read."""

    digest: str
    """Of the record."""
    source: str
    prompt: str
    reference: str
    """What the holdout expects."""
    reference_answer: str
    """What the reference model says; empty where generation failed."""
    answer: str
    """What the variant says; empty where generation failed."""
    is_unstable: bool
    """Whether the reference, asked again, differs from itself too."""


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
    """Answers that say what the reference model's say."""
    similar: int
    """Answers that differ but have ROUGE-L >= the profile's threshold."""
    different: int
    reference: str = "bf16"
    """The variant of the same runtime that it is compared with."""
    engine: str = "transformers"
    folder: str = ""
    digest: str = ""
    """SHA-256 over names and contents of its files."""
    stored: StoredWeights | None = None
    fidelity: Fidelity | None = None
    """On the reference's own answers; None where it was not measured."""
    load_s: float = 0.0
    """Seconds from files to a model that answers."""
    peak_memory_mib: float = 0.0
    """Most memory while it was loaded and read one prompt and answer at a time, beyond what the
    process had before."""
    slices: Mapping[str, AnswerShares] = field(default_factory=dict)
    """`all` and every source."""
    gate: VariantVerdict | None = None
    """None for a reference."""
    different_answers: tuple[DifferentAnswer, ...] = ()

    @property
    def is_reference(self) -> bool:
        """Whether others are compared with it."""
        return self.name == self.reference


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The reference against itself, asked again in other batches."""

    reference: str
    changed: int
    """Prompts whose answer was another, similar ones included."""
    different: int
    """Prompts whose answer was different, as variants are counted."""
    n: int
    """Prompts asked again."""
    how: str
    """What was other the second time."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The variant for one kind of machine."""

    target: str
    variant: str | None
    """None where nothing fits."""
    reason: str


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """Every variant on the same prompts; the first one is the reference."""

    variants: tuple[QuantizedVariant, ...]
    n_prompts: int
    similar_from: float
    """ROUGE-L from which a differing answer counts as similar."""
    noise: tuple[NoiseFloor, ...] = ()
    """One per reference; empty where nothing was asked again."""
    merge_parity: Fidelity | None = None
    """The merged model against its adapter."""
    recommendations: tuple[Recommendation, ...] = ()
    remarks: tuple[str, ...] = ()
    """What a reader of the numbers must know."""
