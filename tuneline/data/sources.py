"""One source file to records: which format it has, and which of its rows are no record."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from tuneline.data.config import SourceConfig
from tuneline.data.drops import Drop
from tuneline.data.formats import FORMATS, KEYS, BadRowError, Fields, check_conversation, expect
from tuneline.data.reading import Row, read_rows
from tuneline.errors import DataError
from tuneline.records import Record

log = logging.getLogger(__name__)


class SourceRows(NamedTuple):
    """One source after the door: read = records + drops."""

    source: SourceConfig
    records: list[Record]
    drops: list[Drop]
    encoding: str

    @property
    def n_read(self) -> int:
        """Rows in the file."""
        return len(self.records) + len(self.drops)


def read_source(source: SourceConfig) -> SourceRows:
    """Read one file into records; rows that are no record become drops.

    Raises:
        DataError: The file cannot be read at all (see `read_rows`) or its keys are unknown.
    """
    rows, encoding = read_rows(source.path)
    name = source.format if source.format != "auto" else detect_format(source, rows)
    found = [_read_row(source, name, row) for row in rows]
    records = [item for item in found if isinstance(item, Record)]
    drops = [item for item in found if isinstance(item, Drop)]
    counts = (source.name, name, len(records), len(drops), encoding)
    log.info("formats: source=%s format=%s kept=%d dropped=%d encoding=%s", *counts)
    return SourceRows(source, records, drops, encoding)


def detect_format(source: SourceConfig, rows: Iterable[Row]) -> str:
    """Name the format by the keys of all rows, so that one odd row decides nothing.

    Raises:
        DataError: No known format has these keys.
    """
    keys = {key for row in rows if isinstance(row.value, dict) for key in row.value}
    for name, signs in KEYS.items():
        if signs <= keys:
            return name
    known = "; ".join(f"{name} ({', '.join(sorted(signs))})" for name, signs in KEYS.items())
    found = ", ".join(sorted(keys)) or "none: the rows are not objects"
    raise DataError(
        f"{source.path}: no known format has these keys: {found}. Understood: {known}; for any "
        "other table set format: columns with 'prompt' and 'answer'"
    )


def _read_row(source: SourceConfig, name: str, row: Row) -> Record | Drop:
    try:
        fields = expect(row.value, dict, "the row")
        messages = check_conversation(FORMATS[name](fields, source))
        group = _group(fields, source)
    except BadRowError as error:
        place = f"{source.path}:{row.line}"
        return Drop(source.name, place, "formats", error.reason, str(error), row.value)
    return Record(messages, source.name, str(source.path), row.line, group)


def _group(row: Fields, source: SourceConfig) -> str | None:
    if source.group is None:
        return None
    value = row.get(source.group)
    if value is None or value == "" or not isinstance(value, str | int):
        raise BadRowError("missing_group", f"column {source.group!r} holds {value!r}, no group")
    return str(value)
