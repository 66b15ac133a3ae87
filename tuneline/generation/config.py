"""Settings of generation."""

from pydantic import BaseModel, ConfigDict, Field


class GenerationConfig(BaseModel):
    """How answers are generated: greedy, the same way for every model of a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_new_tokens: int = Field(default=256, ge=1)
    """Longest answer, tokens; a longer one is cut and scored as it is."""
    batch_size: int = Field(default=16, ge=1)
    """Prompts generated at a time; halved when memory runs out."""
