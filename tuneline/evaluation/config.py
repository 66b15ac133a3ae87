"""Settings of the evaluation."""

from pydantic import BaseModel, ConfigDict, Field

from tuneline.generation import GenerationConfig


class EvaluationConfig(BaseModel):
    """How models are measured on the holdout."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    generation: GenerationConfig = GenerationConfig()
    """How answers are generated; the same for base, champion, candidate and quantized variants."""
    max_records: int | None = Field(default=None, ge=10)
    """Most holdout records to answer; the first by digest, so the choice never moves."""
