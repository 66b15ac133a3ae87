"""Settings of one source: where its files lie, how their rows are laid out, what they are for."""

import string
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FormatName = Literal[
    "auto",
    "alpaca",
    "sharegpt",
    "messages",
    "conversation",
    "prompt_completion",
    "prompt_response",
    "instruction_response",
    "query_response",
    "question_answer",
    "preference",
    "kto",
    "columns",
]
FIELDS = frozenset(
    [
        "answer",
        "chosen",
        "chosen_messages",
        "completion",
        "content",
        "context",
        "conversation",
        "conversations",
        "from",
        "history",
        "input",
        "instruction",
        "kto_tag",
        "label",
        "messages",
        "output",
        "prompt",
        "query",
        "question",
        "rejected",
        "rejected_messages",
        "response",
        "role",
        "system",
        "tools",
        "value",
    ]
)
"""What formats call their columns, and the keys of a turn."""
RoleName = Literal["system", "user", "assistant", "tool", "function_call"]


class SourceConfig(BaseModel):
    """Files of one origin and one licence."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Slug that names the source in reports, slices and the quarantine file."""
    path: str = Field(min_length=1)
    """File, folder, glob or fsspec URL such as `s3://bucket/*.jsonl.gz`; or a dataset_info.json."""
    format: FormatName = "auto"
    """How rows are laid out; `auto` lets the keys of the first 1,000 rows vote."""
    entry: str | None = None
    """Name of the data set in a dataset_info.json, or of the sheet in a workbook of several."""
    columns: Mapping[str, str] = {}
    """The format's field -> the file's column, such as `{instruction: ask, output: reply}`; an
    empty name leaves the field out. `role` and `content` are those of a turn."""
    roles: Mapping[str, RoleName] = {}
    """The file's name of a role -> user, assistant, system, tool or function_call (an assistant's
    turn that holds a call), such as `{client: user}`."""
    license: str
    """Licence of the data, as its owner names it."""
    metric: str = "exact_match"
    """Metric that answers of this source are judged by."""
    prompt: str | None = None
    """Format columns only: template of the prompt, such as `Is this fair?\\n\\n{text}`."""
    answer: tuple[str, ...] = ()
    """Format columns only: the first of these columns that is not empty is the answer."""
    group: str | None = None
    """Column with the conversation, user or document that must stay on one side of a split; the
    column `conversation_id` where none is named."""

    @field_validator("prompt")
    @classmethod
    def _check_template(cls, prompt: str | None) -> str | None:
        if prompt is not None:
            template_columns(prompt)
        return prompt

    @field_validator("columns")
    @classmethod
    def _check_fields(cls, columns: Mapping[str, str]) -> Mapping[str, str]:
        if unknown := sorted(columns.keys() - FIELDS):
            known = ", ".join(sorted(FIELDS))
            raise ValueError(f"no format has a field {unknown[0]!r}; fields: {known}")
        return columns

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.format == "columns" and not (self.prompt and self.answer):
            raise ValueError("format 'columns' needs 'prompt' (a template) and 'answer' (columns)")
        if self.format != "columns" and (self.prompt or self.answer):
            raise ValueError("'prompt' and 'answer' are only read with format: columns")
        if self.format == "columns" and self.columns:
            raise ValueError("format 'columns' takes no 'columns'; 'prompt' and 'answer' name them")
        return self


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
