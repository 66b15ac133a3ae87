"""Settings of the evaluation."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tuneline.generation import GenerationConfig
from tuneline.review.config import JudgeConfig


class GeneralConfig(BaseModel):
    """Guard against forgetting: general questions that have nothing to do with the domain."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    benchmark: str
    """Name of one of `data.benchmarks`, which the leak check keeps out of train and validation."""
    max_loss: float = Field(default=0.1, ge=0, le=1)
    """Score that the candidate may lose against the base model. It is refused where the loss is
    larger and beyond doubt."""
    blocks_when_unclear: bool = False
    """Refuse also where a loss of more than `max_loss` cannot be ruled out."""


class EvaluationConfig(BaseModel):
    """How models are measured on the holdout."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    generation: GenerationConfig = GenerationConfig()
    """How answers are generated; the same for base, champion, candidate and quantized variants."""
    max_records: int | None = Field(default=None, ge=10)
    """Most holdout records to answer; the first by digest, so the choice never moves."""
    noise_repeats: int = Field(default=0, ge=0, le=20)
    """Times that every model answers the holdout once more, in other batches: how far its scores
    move by that alone. A gain below it cannot be told. 0: not measured."""
    right_from: float = Field(default=0.5, gt=0, le=1)
    """task_score from which an answer counts as right, for the list of regressions."""
    general: GeneralConfig | None = None
    """Questions by which the candidate shows that it forgot nothing; unset: none are asked."""
    max_looks: int = Field(default=50, ge=1)
    """Candidates that one holdout may judge before reports call it worn."""
    metrics: tuple[str, ...] = ()
    """Metrics for every record beside the general ones and each source's own: names of
    docs/metrics.md, `package.module:function`, or `./folder` of an `evaluate` module."""
    numeric_tolerance: float = Field(default=0, ge=0, lt=1)
    """Largest relative difference that the metric `numeric` counts as right."""
    statutes: Path | None = None
    """Table of statute articles that the metric `citations` looks up, JSON lines."""
    judge: JudgeConfig | None = None
    """Model that compares answers in `tuneline review --judge`; unset: nobody is asked."""
