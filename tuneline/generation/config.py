"""Settings of generation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class GenerationConfig(BaseModel):
    """How answers are generated: greedy, the same way for every model of a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_new_tokens: int = Field(default=256, ge=1)
    """Longest answer, tokens; a longer one is cut and scored as it is."""
    batch_tokens: int = Field(default=8192, ge=1)
    """Most tokens of a batch: its prompts, padded to the longest, and `max_new_tokens` for each.
    Halved when memory runs out."""
    batch_size: int = Field(default=64, ge=1)
    """Most prompts of a batch, however short they are."""
    batch_seed: int = Field(default=0, ge=0)
    """Which prompts share a batch; 0: those next to each other by length. It changes answers only
    by rounding, which is what repeats for the noise floor measure."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """Runtime of models in Hugging Face's layout; GGUF files always run in llama.cpp."""
    perplexity: bool = False
    """Also measure the perplexity of the reference answers: one more forward pass a record."""

    @property
    def decoding(self) -> str:
        """What of these settings decides an answer, for the identity of its scores."""
        return (
            f"greedy, max_new_tokens={self.max_new_tokens}, "
            f"batches of {self.batch_tokens} tokens and {self.batch_size} rows at most"
        )
