"""Settings of the quantization comparison."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class QuantizationConfig(BaseModel):
    """Which quantizations of the merged model are compared, and on how many prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    variants: tuple[Literal["int8", "nf4"], ...] = ("int8", "nf4")
    """Compared with the merged model in 16 bit; empty skips the comparison."""
    max_prompts: int = Field(default=100, ge=1)
    """Holdout prompts answered by every variant: the first by digest."""
    similar_from: float = Field(default=0.6, ge=0, le=1)
    """An answer that differs from the reference model's counts as similar from this ROUGE-L on."""
