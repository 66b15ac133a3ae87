"""Quantized variants side by side."""

from dataclasses import dataclass

from tuneline.reports.evaluation import Score


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
