"""A row to a record, or to a drop that says what is wrong with it."""

import json
from decimal import Decimal
from typing import Any

from tuneline.data.cleaning.menders import join_surrogates
from tuneline.data.drops import Drop, as_text, in_short, is_deep
from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.formats import FORMATS
from tuneline.data.reading.media import MEDIA_KEYS, media_of
from tuneline.data.reading.rows import BadRow, BadRowError, Row, expect, without_nan
from tuneline.data.reading.turns import Fields, from_json
from tuneline.records import Record

STAGE = "formats"
GROUP_COLUMN = "conversation_id"


class RecordReader:
    """Reads rows of one file by one format."""

    def __init__(self, source: SourceConfig, path: str, format_name: str) -> None:
        self.source, self.path = source, path
        self.name, self.columns = source.name, source.columns
        self.parse = FORMATS[format_name].read

    def read(self, row: Row | BadRow) -> Record | Drop:
        """The record of a row, or its drop."""
        if isinstance(row, BadRow):
            place = f"{self.path}:{row.line}"
            return Drop(self.name, place, STAGE, row.reason, row.detail, row.raw)
        try:
            return self._record(row)
        except BadRowError as error:
            detail, place = self._in_file_words(str(error)), f"{self.path}:{row.line}"
            return Drop(self.name, place, STAGE, error.reason, detail, row.value)
        except RecursionError:
            detail, place = "lists or objects lie too deep", f"{self.path}:{row.line}"
            return Drop(self.name, place, STAGE, "wrong_type", detail, row.value)

    def _record(self, row: Row) -> Record:
        line, value = row.line, without_nan(row.value)
        fields = value if _is_text(value) else check_fields(value)
        group = group_of(fields, self.source.group)
        if self.columns:
            fields = rename(fields, self.source)
        messages, rejected, is_desirable = self.parse(fields, self.source)
        tools = tools_of(fields) if fields.get("tools") else None
        return Record(messages, self.name, self.path, line, group, tools, rejected, is_desirable)

    def _in_file_words(self, detail: str) -> str:
        """The detail with the file's names of columns."""
        for field, column in self.columns.items():
            detail = detail.replace(repr(field), f"column {column!r}")
        return detail


def _is_text(value: Any) -> bool:
    return isinstance(value, dict) and MEDIA_KEYS.isdisjoint(value)


def check_fields(value: Any) -> Fields:
    """The row as an object of text alone, else BadRowError."""
    if isinstance(value, list):
        detail = "a list stands where a record should be; take the records out of the inner list"
        raise BadRowError("nested_list", detail)
    fields: Fields = expect(value, dict, "the row")
    if media := media_of(fields):
        raise BadRowError("not_text", f"the row has {media}; only text can be trained on")
    return fields


def rename(fields: Fields, source: SourceConfig) -> dict[str, Any]:
    """The row under the format's names; columns that stand for a field lose their own name."""
    taken = {*source.columns, *source.columns.values()}
    kept = {key: value for key, value in fields.items() if key not in taken}
    named = source.columns.items()
    return kept | {field: fields[column] for field, column in named if column in fields}


def prepare_row(row: Row | BadRow, source: SourceConfig) -> Row | BadRow:
    """The row as formats see it: under their names, if it is an object, and without NaN."""
    if isinstance(row, BadRow) or not isinstance(row.value, dict):
        return row
    value = without_nan(row.value)
    return Row(row.line, rename(value, source) if source.columns else value)


def group_of(fields: Fields, column: str | None) -> str | None:
    """The group a row names: text or a number; a column that the source names must be filled."""
    name = column or GROUP_COLUMN
    value = fields.get(name)
    if column is None and (value is None or value == ""):
        return None
    if group := _group_text(value):
        return group
    mend = "fill it, or take 'group' out" if column else "name the group by text or a number"
    raise BadRowError("missing_group", f"column {name!r} holds {in_short(value)}, no group; {mend}")


def _group_text(value: Any) -> str:
    """Text as UTF-8 can store it, whole numbers as integers: a gap makes a column of them float."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    return str(int(value) if value == int(value) else value)


def tools_of(fields: Fields) -> str | None:
    """Definitions of tools as JSON text; None where the list is empty."""
    tools = fields["tools"]
    tools = join_surrogates(tools) if isinstance(tools, str) else tools
    spelled = from_json(tools.strip()) if isinstance(tools, str) else tools
    if isinstance(spelled, str) and not spelled:
        return None
    if not isinstance(spelled, list | dict):
        raise BadRowError("wrong_type", "'tools' is no JSON list of functions")
    if not spelled:
        return None
    if is_deep(spelled):
        raise BadRowError("wrong_type", "'tools': lists or objects lie too deep")
    if isinstance(tools, str):
        return tools
    return join_surrogates(json.dumps(tools, ensure_ascii=False, default=as_text))
