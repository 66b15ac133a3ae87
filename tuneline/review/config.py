"""Settings of the judge model."""

from pydantic import BaseModel, ConfigDict, Field


class JudgeConfig(BaseModel):
    """A language model that compares answers, behind an API as OpenAI's; held against people."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base_url: str = Field(pattern="^https?://")
    """Address up to `/v1`, such as http://localhost:8000/v1."""
    model: str
    """Name that the server knows it by."""
    api_key_env: str | None = Field(default=None, pattern="^[A-Z_][A-Z0-9_]*$")
    """Environment variable that holds the key; the key itself never stands in a profile."""
    min_human_verdicts: int = Field(default=30, ge=10)
    """Pairs that people and judge must both have judged before its win rate is shown."""
    max_tokens: int = Field(default=512, ge=1)
    """Most tokens of one verdict; models that think aloud need more."""
    n_parallel: int = Field(default=4, ge=1, le=64)
    """Requests at a time."""
    timeout_s: float = Field(default=120.0, gt=0)
    """Seconds to wait for one verdict."""
    retries: int = Field(default=5, ge=0)
    """Tries more after a network error, or where the server says that it is busy."""
    first_wait_s: float = Field(default=1.0, gt=0)
    """Wait before the first of them, seconds; each next wait is twice as long."""
