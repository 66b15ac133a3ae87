"""JSON Lines: one value a line; a line that is none is a bad row and the next one counts again."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from tuneline.data.reading.rows import MAX_ROW_BYTES, MIB, BadRow, Row, Rows

HINT = "expected one JSON value a line, or one list; mend the line or export the file again"
EXCERPT_BYTES = 160


Line = tuple[int, bytes, bool]
"""Number, bytes with the line end, and whether it is too long: then only its beginning is there."""


def read_lines(stream: BinaryIO, max_bytes: int = MAX_ROW_BYTES) -> Iterator[Line]:
    """Lines that end with a line feed, without a byte order mark; longer ones are skipped over."""
    number, most = 0, max_bytes + 1
    while data := stream.readline(most):
        number += 1
        if number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        if len(data) < most:
            yield number, data, False
        else:
            _skip_line(stream, data)
            yield number, data[:EXCERPT_BYTES], True


def too_long(number: int, start: bytes) -> BadRow:
    """The bad row for a line that was not read."""
    detail = f"the line is longer than {MAX_ROW_BYTES // MIB} MiB and was not read; split it"
    return BadRow(number, "line_too_long", detail, start.decode(errors="replace"))


def json_lines(stream: BinaryIO, encoding: str) -> Rows:
    """One row a line; blank lines are none."""
    is_utf8, decode = encoding.startswith("utf-8"), msgspec.json.Decoder().decode
    for number, data, is_too_long in read_lines(stream):
        if is_too_long:
            yield too_long(number, data)
            continue
        try:
            yield Row(number, decode(data if is_utf8 else data.decode(encoding)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if data.strip():
                yield _second_try(number, data, encoding, error)


def _second_try(number: int, data: bytes, encoding: str, error: Exception) -> Row | BadRow:
    """What Python writes and strict JSON forbids is a row: NaN and lone surrogates."""
    raw = data.decode(encoding, errors="backslashreplace").rstrip("\r\n")
    if "\0" in raw:
        return _broken(number, "the line holds NUL characters", raw)
    if damage := _damage(data, encoding):
        return _broken(number, damage, raw)
    if isinstance(error, RecursionError):
        return _broken(number, "lists or objects lie too deep", raw)
    value = _python_json(raw)
    return Row(number, value) if value is not None else _broken(number, str(error), raw)


def _damage(data: bytes, encoding: str) -> str | None:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return "the file ends inside a character and looks cut off"
        return f"byte 0x{data[error.start]:02x} is not {encoding.removesuffix('-sig').upper()}"
    return None


def _python_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _broken(number: int, reason: str, raw: str) -> BadRow:
    return BadRow(number, "broken_json", f"{reason}; {HINT}", raw)


def _skip_line(stream: BinaryIO, data: bytes) -> None:
    while data and not data.endswith(b"\n"):
        data = stream.readline(MIB)
