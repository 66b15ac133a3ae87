"""Settings of the data stage: where records come from and what may stay."""

import string
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FormatName = Literal["auto", "alpaca", "sharegpt", "messages", "columns"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SourceConfig(_Settings):
    """One file of records."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Slug that names the source in reports, slices and the quarantine file."""
    path: Path
    """JSON or JSONL file, relative to the working directory."""
    format: FormatName = "auto"
    """How rows are laid out; `auto` looks at the keys of all rows."""
    license: str
    """Licence of the data, as its owner names it."""
    metric: str = "exact_match"
    """Metric that answers of this source are judged by."""
    prompt: str | None = None
    """Format columns only: template of the prompt, such as `Is this fair?\\n\\n{text}`."""
    answer: tuple[str, ...] = ()
    """Format columns only: the first of these columns that is not empty is the answer."""
    group: str | None = None
    """Column with the conversation, user or document that must stay on one side of a split."""

    @field_validator("prompt")
    @classmethod
    def _check_template(cls, prompt: str | None) -> str | None:
        if prompt is not None:
            template_columns(prompt)
        return prompt

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.format == "columns" and not (self.prompt and self.answer):
            raise ValueError("format 'columns' needs 'prompt' (a template) and 'answer' (columns)")
        if self.format != "columns" and (self.prompt or self.answer):
            raise ValueError("'prompt' and 'answer' are only read with format: columns")
        return self


class CleaningConfig(_Settings):
    """Bounds on a record's size."""

    min_answer_chars: int = Field(default=1, ge=1)
    """Records with a shorter answer are dropped."""
    max_chars: int = Field(default=20_000, ge=1)
    """Records whose messages together are longer are dropped, never cut."""


class NearDedupConfig(_Settings):
    """When two records count as the same."""

    enabled: bool = True
    """Drop near-duplicates inside the data; the check between splits is always made."""
    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of shingle sets from which two texts are near-duplicates."""


class SplitConfig(_Settings):
    """Shares of the digest range; lowering `holdout_fraction` later releases holdout records."""

    holdout_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of groups that are never trained on."""
    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of groups that training watches its loss on."""

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.holdout_fraction + self.validation_fraction >= 1:
            raise ValueError("holdout_fraction + validation_fraction leave nothing to train on")
        return self


class DataConfig(_Settings):
    """Everything that decides which records are trained on and which are held out."""

    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    """Files to read; names are unique."""
    cleaning: CleaningConfig = CleaningConfig()
    """Bounds on single records."""
    near_dedup: NearDedupConfig = NearDedupConfig()
    """Similarity between records."""
    split: SplitConfig = SplitConfig()
    """Shares of train, validation and holdout."""
    max_bad_fraction: float = Field(default=0.05, ge=0, le=1)
    """Share of unusable rows in one source from which the run stops."""

    @field_validator("sources")
    @classmethod
    def _check_names(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        names = [source.name for source in sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"source names appear twice: {', '.join(twice)}")
        return sources


def template_columns(template: str) -> list[str]:
    """Columns that a prompt template names, in order.

    Raises:
        ValueError: It names none, or a field is more than a plain `{column}`.
    """
    parts = list(string.Formatter().parse(template))
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    if not fields:
        raise ValueError(f"template {template!r} names no column, such as {{text}}")
    for name, spec, conversion in fields:
        if not name.isidentifier() or spec or conversion:
            raise ValueError(f"template field {{{name}}} is not a plain column name")
    return [name for name, _, _ in fields]
