"""A JSON list, element by element: memory holds one element and a chunk, never the file."""

import io
import json
from typing import Any, BinaryIO

from tuneline.data.reading.rows import MAX_ROW_BYTES, MIB, BadRow, Row, Rows
from tuneline.errors import DataError

NEAR_END = 16
"""Errors so close to what was read so far may only say that there is more to read."""
MAX_DIGITS = 4_300
"""Python reads no longer integers."""


def json_list(path: str, stream: BinaryIO, encoding: str) -> Rows:
    """Rows of `[{...}, ...]`, and of `[[{...}], ...]` where the first element is a list.

    Raises:
        DataError: The list is broken or cut off; what comes after cannot be told apart.
    """
    with io.TextIOWrapper(stream, encoding=encoding, newline="") as decoded:
        text = _Text(path, decoded)
        text.take("[")
        yield from _elements(text, is_nested=text.peek() == "[")
        if text.peek():
            raise text.broken("Text after the end of the list")


def _elements(text: "_Text", *, is_nested: bool) -> Rows:
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        if text.peek() == "[" and is_nested:
            text.take("[")
            yield from _elements(text, is_nested=False)
        else:
            yield text.take_row()
        if text.take(",]") == "]":
            return


def _short_integer(digits: str) -> Any:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


LENIENT = json.JSONDecoder(parse_int=_short_integer)
"""Reads the longest integers as text, to find where the element ends."""


class _Text:
    """What of the file is in memory, and how far it has been read."""

    def __init__(self, path: str, stream: io.TextIOWrapper) -> None:
        self.path, self.stream = path, stream
        self.text, self.at, self.line = "", 0, 1
        self.is_at_end = False
        self.strict = json.JSONDecoder()

    def peek(self) -> str:
        """Next character that is no space; empty at the end of the file."""
        while True:
            char = self.text[self.at : self.at + 1]
            if char == "\n":
                self.line += 1
            elif char and char not in " \t\r":
                return char
            if char:
                self.at += 1
            elif not self._read_more():
                return ""

    def take(self, marks: str) -> str:
        """Go past the next character, which must be one of the marks."""
        mark = self.peek()
        if not mark or mark not in marks:
            raise self.broken(f"Expecting {' or '.join(map(repr, marks))}")
        self.at += 1
        return mark

    def take_row(self) -> Row | BadRow:
        """The element that begins here; one with an integer that Python cannot read is bad."""
        line = self.line
        try:
            return Row(line, self._take_value(self.strict))
        except ValueError:
            value = self._take_value(LENIENT)
        detail = f"an integer has more than {MAX_DIGITS:,} digits; put it in quotes or shorten it"
        return BadRow(line, "broken_json", detail, value)

    def _take_value(self, decoder: json.JSONDecoder) -> Any:
        """Decode the value that begins here, reading on until it is whole."""
        while True:
            try:
                value, end = decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._read_more():
                    raise self.broken(error.msg, error.pos) from None
            except RecursionError:
                raise self.broken("lists or objects lie too deep") from None
            else:
                if end < len(self.text) or not self._read_more():
                    self._advance(end)
                    return value

    def broken(self, reason: str, at: int | None = None) -> DataError:
        """The error for the place, `self.at` unless told."""
        at = self.at if at is None else at
        line = self.line + self.text.count("\n", self.at, at)
        is_cut = self.is_at_end and (
            not self.text[at:].strip() or reason.startswith("Unterminated")
        )
        mend = "mend it or export the file again"
        hint = "the file looks cut off; copy it again" if is_cut else mend
        return DataError(f"{self.path}:{line}: not valid JSON: {reason}; {hint}")

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated") or error.pos > len(self.text) - NEAR_END

    def _read_more(self) -> bool:
        """Forget what was read, read as much again; False at the end of the file."""
        left = len(self.text) - self.at
        if left > MAX_ROW_BYTES:
            reason = f"an element is longer than {MAX_ROW_BYTES // MIB} MiB; split it"
            raise DataError(f"{self.path}:{self.line}: {reason}")
        more = self.stream.read(max(MIB, left))
        if not more:
            self.is_at_end = True
            return False
        self.text, self.at = self.text[self.at :] + more, 0
        return True

    def _advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to
