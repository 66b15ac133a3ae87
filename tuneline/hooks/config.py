"""Settings of what is called after the champion changed."""

from pydantic import BaseModel, ConfigDict, Field


class WebhookConfig(BaseModel):
    """An address that is told, by the Standard Webhooks specification."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    url: str = Field(pattern="^https?://")
    """Gets a POST with JSON; any answer of 2xx is success."""
    secret_env: str = Field(pattern="^[A-Z][A-Z0-9_]*$")
    """Environment variable with the secret that signs: `whsec_` and base64, or any text."""
    timeout_s: float = Field(default=10.0, gt=0)
    """Seconds for one try."""
    tries: int = Field(default=4, ge=1)
    """Tries in all, with growing waits, while nothing answers or the answer is 408, 429 or 5xx."""
    wait_s: float = Field(default=0.5, ge=0)
    """Before the second try; each later wait is twice the one before."""


class CommandConfig(BaseModel):
    """A program that is run."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    argv: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; no shell reads them. The change is in `TUNELINE_*` variables and as
    JSON on standard input."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Seconds after which it is killed."""


class HooksConfig(BaseModel):
    """What is called after the champion changed; nothing of it can undo the change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    webhooks: tuple[WebhookConfig, ...] = ()
    """Addresses that are told, in order."""
    commands: tuple[CommandConfig, ...] = ()
    """Programs that are run behind them, in order."""
