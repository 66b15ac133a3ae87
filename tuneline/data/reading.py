"""Files to numbered JSON rows: encodings, JSON lists, JSON Lines, and where a file is broken."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuneline.errors import DataError

SAMPLE_BYTES = 65_536
MIN_WIDE_CHARS = 8
"""So many three-byte characters in a row are UTF-8, not another encoding read by chance."""
SPACE = re.compile(r"\s*")


class Row(NamedTuple):
    """One JSON value and the line, counted from 1, on which it begins."""

    line: int
    value: Any


class FileRows(NamedTuple):
    """A file's rows in order."""

    rows: list[Row]
    encoding: str
    """utf-8, utf-8-sig or gb18030."""


def read_rows(path: Path) -> FileRows:
    """Read a JSON list or one JSON value a line, whatever the file's extension.

    Raises:
        DataError: The file is missing, empty, of an unknown encoding, or no JSON; with
            `path:line` and the reason where the file is broken.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file in {Path.cwd()}; correct the source's 'path'")
    text, encoding = _decode(path, path.read_bytes())
    body = text.lstrip()
    if not body:
        raise DataError(f"{path}: the file is empty; a JSON list or JSON lines were expected")
    rows = _list_rows(path, text) if body.startswith("[") else _line_rows(path, text)
    if not rows:
        raise DataError(f"{path}: the JSON list holds no rows")
    return FileRows(rows, encoding)


def _decode(path: Path, data: bytes) -> tuple[str, str]:
    encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        start = error.start + (3 if encoding == "utf-8-sig" else 0)
        reason = _not_utf8(data, start, error.reason)
        if reason is None:
            return data.decode("gb18030"), "gb18030"
    line = data.count(b"\n", 0, start) + 1
    raise DataError(f"{path}:{line}: {reason}; save the file as UTF-8 or GB18030")


def _not_utf8(data: bytes, start: int, reason: str) -> str | None:
    """Say what the bytes are instead; None where they are GB18030."""
    if reason == "unexpected end of data":
        return "the file ends inside a character and looks cut off"
    before = data[:start].decode("utf-8-sig")
    if sum(char >= "\u0800" for char in before) >= MIN_WIDE_CHARS:
        return f"byte 0x{data[start]:02x} is not UTF-8, and the text before it is"
    guess = _guess_encoding(data[max(0, start - 1024) :])
    if guess in {"gb18030", "gbk", "gb2312"} and _is_gb18030(data):
        return None
    return f"byte 0x{data[start]:02x} is not UTF-8 (a guess: {guess or 'binary data'})"


def _guess_encoding(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    # A quote is never the second half of a GB18030 character, so the sample ends at a whole one.
    sample = data[:SAMPLE_BYTES].rpartition(b'"')[0] or data[:SAMPLE_BYTES]
    best = from_bytes(sample).best()
    return best.encoding if best else None


def _is_gb18030(data: bytes) -> bool:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


def _line_rows(path: Path, text: str) -> list[Row]:
    # split("\n"), not splitlines(): U+2028 and its like may stand inside a JSON string.
    lines = enumerate(text.split("\n"), 1)
    return [Row(number, _decode_line(path, number, line)) for number, line in lines if line.strip()]


def _decode_line(path: Path, number: int, line: str) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        hint = "expected one JSON value a line, or one list; mend the line or export the file again"
        raise DataError(f"{path}:{number}: {error}; {hint}") from None


def _list_rows(path: Path, text: str) -> list[Row]:
    """Walk a JSON list element by element, so that each row knows its line."""
    decoder, rows, line, counted = json.JSONDecoder(), list[Row](), 1, 0
    at = _skip_space(text, text.index("[") + 1)
    while text[at : at + 1] != "]" or rows:
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken(path, text, error.pos, error.msg) from None
        line, counted = line + text.count("\n", counted, at), at
        rows.append(Row(line, value))
        at = _skip_space(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise _broken(path, text, at, "Expecting ',' or ']'")
        at = _skip_space(text, at + 1)
    if text[at + 1 :].strip():
        raise _broken(path, text, _skip_space(text, at + 1), "Text after the end of the list")
    return rows


def _skip_space(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at


def _broken(path: Path, text: str, at: int, reason: str) -> DataError:
    line = text.count("\n", 0, at) + 1
    is_cut = at >= len(text.rstrip()) or reason.startswith("Unterminated")
    hint = "the file looks cut off; copy it again" if is_cut else "mend it or export the file again"
    return DataError(f"{path}:{line}: not valid JSON: {reason}; {hint}")
