"""What a container yields: numbered rows, and those that cannot be read as one."""

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

MIB = 2**20
MAX_ROW_BYTES = 64 * MIB
"""A longer line, cell or list element is no training example; it is refused unread."""


class Row(NamedTuple):
    """One value as the container gives it."""

    line: int
    """Line on which it begins, or row of a workbook or Parquet file, counted from 1."""
    value: Any


class BadRow(NamedTuple):
    """A place in a file that holds no readable row."""

    line: int
    reason: str
    detail: str
    raw: Any


class BadRowError(Exception):
    """A row that can be read and still is no record; it is quarantined, the run goes on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


Rows = Iterator[Row | BadRow]


def without_nan(value: Any) -> Any:
    """The row with None for numbers that are none: so a float column of a table marks a gap."""
    if not isinstance(value, dict) or not any(map(_is_nan, value.values())):
        return value
    return {key: None if _is_nan(cell) else cell for key, cell in value.items()}


def _is_nan(cell: Any) -> bool:
    if isinstance(cell, float):
        return not isfinite(cell)
    return isinstance(cell, Decimal) and not cell.is_finite()


def expect(value: Any, kind: type, what: str) -> Any:
    """Return the value if it is of a JSON kind, else raise BadRowError with its name in words."""
    if isinstance(value, kind):
        return value
    words: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
    hint = "; put it in quotes" if kind is str and isinstance(value, int | float) else ""
    raise BadRowError("wrong_type", f"{what} is {type(value).__name__}, not {words[kind]}{hint}")
