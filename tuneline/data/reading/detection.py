"""Which format a file has: its first rows vote by their keys; one odd row decides nothing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tuneline.data.reading.config import FIELDS, SourceConfig
from tuneline.data.reading.formats import FORMATS, detect
from tuneline.data.reading.media import media_of
from tuneline.data.reading.record_reader import GROUP_COLUMN
from tuneline.data.reading.rows import BadRow, BadRowError, Row
from tuneline.errors import DataError

MAX_KEYS_SHOWN = 20
ROWS_WATCHED = 50
LINE_CHARS = 1_000
WRAPPER = re.compile(
    r'\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+)\s*,\s*)*"(?P<name>[^"]*)"\s*:\s*\[\s*[\[{]'
)
"""The beginning of one JSON object around a list: `{"version": 1, "data": [{`."""
UNWRAP = "one JSON object around a list, {name!r}: export the list itself"


def detect_format(path: str, sample: Sequence[Row | BadRow]) -> str:
    """The format that most rows of the sample fit.

    Raises:
        DataError: None of them is readable, all are of images, or no format has such keys.
    """
    rows = [item.value for item in sample if isinstance(item, Row)]
    check_sample(path, sample)
    objects = [row for row in rows if isinstance(row, dict)]
    votes = Counter(name for row in objects if (name := detect(row)))
    winner = max(FORMATS, key=lambda name: votes[name])
    if objects and votes[winner] * 2 >= len(objects):
        return winner
    hint = f"only {votes[winner]} of {len(objects)} rows look like {winner}; " if votes else ""
    raise _unknown(path, objects, hint)


def unused_columns(name: str, source: SourceConfig, sample: Sequence[Row | BadRow]) -> list[str]:
    """Columns that the format does not look at in the first rows: their text is not used."""
    rows = [item.value for item in sample[:ROWS_WATCHED] if isinstance(item, Row)]
    watched = [_Watched(row) for row in rows if isinstance(row, dict)]
    for row in watched:
        with suppress(BadRowError, RecursionError):
            FORMATS[name].read(row, source)
    seen = {"tools", source.group, GROUP_COLUMN}.union(*(row.seen for row in watched))
    return sorted({str(key) for row in watched for key in row} - seen)


class _Watched(dict[str, Any]):
    """A row that remembers which columns were looked at."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self.seen: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.seen.add(key)
        return super().__getitem__(key)


def check_sample(path: str, sample: Sequence[Row | BadRow]) -> None:
    """Raise if the file as a whole cannot be used."""
    bad = [item for item in sample if isinstance(item, BadRow)]
    rows = [item.value for item in sample if isinstance(item, Row)]
    if not sample:
        raise DataError(f"{path}: the file holds no rows")
    if len(bad) > len(rows) and (name := _wrapping(bad)):
        raise DataError(f"{path}:{bad[0].line}: {UNWRAP.format(name=name)}")
    if not rows:
        raise DataError(f"{path}:{bad[0].line}: {bad[0].detail}")
    if all(isinstance(row, dict) and media_of(row) for row in rows):
        raise DataError(f"{path}: all rows have {media_of(rows[0])}; only text can be trained on")


def _unknown(path: str, rows: Sequence[Mapping[str, Any]], hint: str) -> DataError:
    keys = sorted({str(key) for row in rows for key in row})
    if keys == ["text"]:
        reason = "only 'text' is there: text to pretrain on, without answers"
        return DataError(f"{path}: {reason}; use a data set of prompts and answers")
    if len(rows) == 1 and (name := _wrapped(rows[0])):
        return DataError(f"{path}: {UNWRAP.format(name=name)}")
    more = f" and {len(keys) - MAX_KEYS_SHOWN} more" if len(keys) > MAX_KEYS_SHOWN else ""
    found = ", ".join(keys[:MAX_KEYS_SHOWN]) + more or "none: the rows are not objects"
    known = "; ".join(f"{name} ({_signs(name)})" for name in FORMATS if FORMATS[name].keys)
    return DataError(
        f"{path}: no known format has these keys: {found}. {hint}Understood: {known}; map yours "
        "under 'columns', such as columns: {instruction: ask, output: reply}, or for any other "
        "table set format: columns with 'prompt' and 'answer'"
    )


def _wrapping(bad: Sequence[BadRow]) -> str | None:
    """Name of the list, where these lines begin an object that stands around one."""
    lines = "\n".join(str(item.raw)[:LINE_CHARS] for item in bad[:ROWS_WATCHED])
    start = WRAPPER.match(lines)
    return start["name"] if start and start["name"] not in FIELDS else None


def _wrapped(row: Mapping[str, Any]) -> str | None:
    """Name of a list of objects or lists in the row."""
    lists = {key: value for key, value in row.items() if value and isinstance(value, list)}
    return next((key for key, value in lists.items() if isinstance(value[0], dict | list)), None)


def _signs(name: str) -> str:
    return ", ".join(sorted(FORMATS[name].keys[0]))
