"""Quantized variants side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuneline.reports.evaluation import Score


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
