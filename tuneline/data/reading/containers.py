"""Which container a file is: content decides, the extension is a hint. To add one: one line."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

import msgspec

from tuneline.data.reading.delimited import DELIMITERS, delimited_rows, find_delimiter
from tuneline.data.reading.json_lines import json_lines
from tuneline.data.reading.json_list import json_list
from tuneline.data.reading.parquet import parquet_rows
from tuneline.data.reading.plain_text import looks_like_questions, plain_text_rows
from tuneline.data.reading.rows import MIB, Rows
from tuneline.data.reading.workbook import workbook_rows
from tuneline.errors import DataError

HEAD_BYTES = MIB
MAGIC = {b"PK\x03\x04": "xlsx", b"\xd0\xcf\x11\xe0": "xls", b"PAR1": "parquet"}
LINES = {".jsonl", ".ndjson"}
WIDE = re.compile(r"(?:[^\0]\0{1,3}){8}|(?:\0{1,3}[^\0]){8}")
"""NULs between all other characters: so UTF-16 and UTF-32 look."""
JSON_LIST = re.compile(r"\[\s*(?:[\[{\"\]\d]|$)")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file and what is known of it."""

    path: str
    stream: BinaryIO
    encoding: str
    """utf-8, utf-8-sig, gb18030 or binary."""
    head: str
    """Beginning of a text."""
    sheet: str | None


def _delimited(file: Opened) -> Rows:
    delimiter = find_delimiter(file.head.lstrip().partition("\n")[0])
    return delimited_rows(file.path, file.stream, file.encoding, delimiter)


CONTAINERS: dict[str, Callable[[Opened], Rows]] = {
    "json": lambda file: json_list(file.path, file.stream, file.encoding),
    "jsonl": lambda file: json_lines(file.stream, file.encoding),
    "csv": _delimited,
    "tsv": _delimited,
    "txt": lambda file: plain_text_rows(file.stream, file.encoding),
    "xlsx": lambda file: workbook_rows(file.path, file.stream, file.sheet),
    "xls": lambda file: workbook_rows(file.path, file.stream, file.sheet),
    "parquet": lambda file: parquet_rows(file.path, file.stream),
}


def binary_container(head: bytes) -> str | None:
    """Name of a container that is no text."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def text_container(path: str, head: str) -> str:
    """Name of a container that is text.

    Args:
        path: Its extension is the hint, `.gz` aside.
        head: Beginning of the text.

    Raises:
        DataError: The file is empty or of an unknown kind.
    """
    start = head.lstrip()
    if not start:
        raise DataError(f"{path}: the file is empty; rows were expected")
    container = "" if WIDE.match(start) else _kind_of_text(path, start)
    if "\0" in start and container != "jsonl":
        line = head.count("\n", 0, head.index("\0")) + 1
        raise DataError(f"{path}:{line}: the text holds NUL characters; save the file as UTF-8")
    return container


def _kind_of_text(path: str, start: str) -> str:
    if start[0] == "{":
        return "jsonl"
    if JSON_LIST.match(start):
        return "jsonl" if _has_lists_as_lines(path, start) else "json"
    return _by_extension(path) or _by_first_line(path, start)


def _extension(path: str) -> str:
    return PurePosixPath(path.lower().removesuffix(".gz")).suffix


def _by_extension(path: str) -> str | None:
    extension = _extension(path)
    if extension in {".csv", ".tsv", ".txt"}:
        return extension[1:]
    return "jsonl" if extension in LINES or extension == ".json" else None


def _by_first_line(path: str, start: str) -> str:
    if looks_like_questions(start):
        return "txt"
    delimiter = find_delimiter(start.partition("\n")[0])
    if delimiter in start.partition("\n")[0]:
        return next((name for name, mark in DELIMITERS.items() if mark == delimiter), "csv")
    known = ", ".join(CONTAINERS)
    raise DataError(f"{path}: neither name nor content tells the container; known: {known}")


def _has_lists_as_lines(path: str, start: str) -> bool:
    """JSON Lines whose first line happens to be a whole list."""
    first, _, rest = start.partition("\n")
    if _extension(path) not in LINES or rest.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        msgspec.json.decode(first)
    except msgspec.DecodeError:
        return False
    return True
