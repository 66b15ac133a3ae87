"""CSV and TSV: one object a line, keys from the header; quotes that do not close are found."""

import csv
import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from tuneline.data.reading.rows import MAX_ROW_BYTES, MIB, BadRow, Row, Rows
from tuneline.errors import DataError

DELIMITERS = {"csv": ",", "tsv": "\t"}


def delimited_rows(path: str, stream: BinaryIO, encoding: str, delimiter: str) -> Rows:
    """Rows under a header; blank lines are none.

    Raises:
        DataError: A quote is never closed, or the header names a column twice.
    """
    csv.field_size_limit(MAX_ROW_BYTES)
    with io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        reader = csv.reader(_lines(path, text), delimiter=delimiter, strict=True)
        header = check_header(path, _next(path, reader, 1) or [])
        line = reader.line_num + 1
        while (cells := _next(path, reader, line)) is not None:
            if cells:
                yield cells if isinstance(cells, BadRow) else _as_row(header, cells, line)
            line = reader.line_num + 1


def find_delimiter(header: str) -> str:
    """What most often parts the cells of the first line: a comma, a tab or a semicolon."""
    return max(",\t;", key=header.count)


def check_header(path: str, cells: Any) -> list[str]:
    """Column names of a table, without empty ones at its end."""
    if isinstance(cells, BadRow):
        raise DataError(f"{path}:{cells.line}: {cells.detail}")
    names = [str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if twice := sorted({name for name in names if names.count(name) > 1}):
        listed = ", ".join(map(repr, twice))
        raise DataError(f"{path}:1: the header names {listed} twice; rename one of the columns")
    return names


def _next(path: str, reader: Any, line: int) -> list[str] | BadRow | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        if "unexpected end" in str(error) or "field larger" in str(error):
            reason = "a quote that opens in this row is never closed; close or double it"
            raise DataError(f"{path}:{line}: {reason}") from None
        detail = f"{error}; put cells that hold quotes in quotes and double the inner ones"
        return BadRow(line, "broken_quotes", detail, None)


def _as_row(header: list[str], cells: list[str], line: int) -> Row | BadRow:
    if len(cells) > len(header) and not any(cells[len(header) :]):
        cells = cells[: len(header)]
    if len(cells) == len(header):
        return Row(line, dict(zip(header, cells, strict=True)))
    detail = (
        f"the row has {len(cells)} cells and the header {len(header)}; "
        "put cells that hold a delimiter or a line end in quotes"
    )
    return BadRow(line, "wrong_columns", detail, cells)


def _lines(path: str, text: io.TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            limit = f"{MAX_ROW_BYTES // MIB} MiB"
            raise DataError(f"{path}:{number}: the line is longer than {limit}; split it")
        yield line
