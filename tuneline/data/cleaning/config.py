"""Settings of cleaning: which rule does what, and the bounds that rules measure by."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

MENDER_DEFAULTS = {
    "surrogates": "mend",
    "html": "mend",
    "mojibake": "mend",
    "line_ends": "mend",
    "invisible": "mend",
    "nfc": "mend",
    "whitespace": "mend",
}
"""Rules that change text; they run in this order, until none finds work."""

PERSONAL_DEFAULTS = {
    "email": "report",
    "resident_id": "report",
    "bank_card": "report",
    "phone": "report",
}
"""Rules that find personal data in mended text."""

FAULT_DEFAULTS = {
    "undesirable_answer": "drop",
    "empty_prompt": "drop",
    "empty_answer": "drop",
    "too_long": "drop",
    "too_many_tokens": "drop",
    "broken_encoding": "drop",
    "answer_equals_prompt": "drop",
    "answer_equals_rejected": "drop",
    "unfilled_placeholder": "drop",
    "blank_field": "report",
    "repetition": "drop",
    "refusal": "drop",
    "ai_disclaimer": "report",
    "language": "drop",
}
"""Rules that judge a whole record; the first one that drops it is named."""

ALLOWED = {
    **dict.fromkeys(MENDER_DEFAULTS, ("mend", "off")),
    **dict.fromkeys(PERSONAL_DEFAULTS, ("redact", "drop", "report", "off")),
    **dict.fromkeys(FAULT_DEFAULTS, ("drop", "report", "off")),
    "surrogates": ("mend",),
}
"""Rule -> actions that it can do. UTF-8 cannot store surrogates: they are always mended."""


class CleaningConfig(BaseModel):
    """What is mended, reported, redacted or dropped in single records."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rules: Mapping[str, str] = Field(default={}, validate_default=True)
    """Rule -> action, only what differs from the default, such as `phone: redact`."""
    min_answer_chars: int = Field(default=1, ge=1)
    """empty_answer: records with a shorter answer are dropped."""
    max_chars: int = Field(default=20_000, ge=1)
    """too_long: records whose messages together are longer are dropped, never cut."""
    max_tokens: int | None = Field(default=None, ge=1)
    """too_many_tokens: bound in tokens of the base model; none where it is not given."""
    languages: tuple[str, ...] = ()
    """language: ISO 639-1 codes that may stay, such as `zh`; empty: any."""

    @field_validator("rules", mode="before")
    @classmethod
    def _read_off(cls, rules: Any) -> Any:
        """YAML reads a bare `off` as false."""
        if not isinstance(rules, Mapping):
            return rules
        return {name: "off" if action is False else action for name, action in rules.items()}

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, rules: Mapping[str, str]) -> Mapping[str, str]:
        for name, action in rules.items():
            if name not in ALLOWED:
                raise ValueError(f"no rule {name!r}; rules are {', '.join(ALLOWED)}")
            if action not in ALLOWED[name]:
                allowed = ", ".join(ALLOWED[name])
                raise ValueError(f"rule {name!r} cannot {action!r}; it can {allowed}")
        return rules

    def action(self, rule: str) -> str:
        """What a rule does under this profile."""
        return self.rules.get(rule, DEFAULTS[rule])


DEFAULTS = {**MENDER_DEFAULTS, **PERSONAL_DEFAULTS, **FAULT_DEFAULTS}
"""Rule -> action where the profile says nothing."""
