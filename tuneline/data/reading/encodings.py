"""UTF-8, UTF-8 with a byte order mark or GB18030: found by all bytes of a file, never guessed."""

import codecs
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple

from tuneline.data.reading.json_lines import read_lines
from tuneline.data.reading.rows import MIB
from tuneline.errors import DataError

SAMPLE_BYTES = 65_536
BEFORE_BYTES = 1024
MIN_COMMON_SHARE = 0.1
"""Common characters among others than ASCII: Chinese texts have more, other encodings none."""
MAX_KANA_SHARE = 0.05
"""Japanese texts have more."""
COMMON = set(
    "，。、：；？！“”（）《》的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能"
    "而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进"
    "好小部其些主样理心本前开但因只从想实"
)
MIN_WIDE_CHARS = 8
"""So many three-byte characters in a row are UTF-8, not another encoding read by chance."""

Reopen = Callable[[], AbstractContextManager[BinaryIO]]


class Damage(NamedTuple):
    """The first byte that the encoding does not allow."""

    line: int
    reason: str


class Encoding(NamedTuple):
    """How a text file is to be decoded."""

    name: str
    """utf-8, utf-8-sig or gb18030."""
    damage: Damage | None = None
    """UTF-8 that is broken somewhere; half of the lines or more are still good."""


class _Fault(NamedTuple):
    offset: int
    reason: str


def find_encoding(path: str, reopen: Reopen) -> Encoding:
    """Read the whole file once and name its encoding.

    Raises:
        DataError: It is none of the three, with the line and a guess.
    """
    with reopen() as stream:
        start = stream.read(3)
    name = "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8"
    with reopen() as stream:
        fault = _first_fault(stream, "utf-8")
    if fault is None:
        return Encoding(name)
    byte, line = _byte_and_line(reopen, fault.offset)
    if reason := _damage(reopen, fault):
        return Encoding(name, Damage(line, reason.format(byte=byte)))
    sample, is_gb18030 = _sample(reopen, fault), _decodes(reopen, "gb18030")
    if is_gb18030 and _is_chinese(sample.decode("gb18030", errors="ignore")):
        return Encoding("gb18030")
    guess = _guess_encoding(sample) or "binary data"
    reason = f"byte {byte} is not UTF-8 (a guess: {guess})"
    if _is_mostly_utf8(reopen):
        return Encoding(name, Damage(line, reason))
    if is_gb18030 and guess in {"gb18030", "gbk", "gb2312"}:
        return Encoding("gb18030")
    raise DataError(f"{path}:{line}: {reason}; save the file as UTF-8 or GB18030")


def _first_fault(stream: BinaryIO, encoding: str) -> _Fault | None:
    """Offset and reason of the first byte that does not decode."""
    decoder, read = codecs.getincrementaldecoder(encoding)(), 0
    for chunk in _chunks(stream):
        if chunk and chunk.isascii() and not decoder.getstate()[0]:
            read += len(chunk)
            continue
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(chunk)
            return _Fault(read - pending + error.start, error.reason)
        read += len(chunk)
    return None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """All chunks and then an empty one."""
    while chunk := stream.read(MIB):
        yield chunk
    yield b""


def _damage(reopen: Reopen, fault: _Fault) -> str | None:
    """Why this is UTF-8 with a fault; None where it is another encoding."""
    if fault.reason == "unexpected end of data":
        return "the file ends inside a character and looks cut off"
    if _has_wide_chars(reopen, fault.offset):
        return "byte {byte} is not UTF-8, and the text before it is"
    return None


def _has_wide_chars(reopen: Reopen, end: int) -> bool:
    decoder, n_wide, left = codecs.getincrementaldecoder("utf-8")(), 0, end
    with reopen() as stream:
        while left and (chunk := stream.read(min(MIB, left))):
            n_wide += sum("\u0800" <= char != "\ufeff" for char in decoder.decode(chunk))
            left -= len(chunk)
            if n_wide >= MIN_WIDE_CHARS:
                return True
    return False


def _sample(reopen: Reopen, fault: _Fault) -> bytes:
    """The line with the fault and what follows."""
    with reopen() as stream:
        stream.seek(max(0, fault.offset - BEFORE_BYTES))
        before = stream.read(min(fault.offset, BEFORE_BYTES)).rpartition(b"\n")[2]
        return before + stream.read(SAMPLE_BYTES)


def _decodes(reopen: Reopen, encoding: str) -> bool:
    with reopen() as stream:
        return _first_fault(stream, encoding) is None


def _is_mostly_utf8(reopen: Reopen) -> bool:
    """Whether half of the filled lines or more are UTF-8; UTF-16 shows by its NULs."""
    n_good = n_bad = 0
    with reopen() as stream:
        for _, data, is_too_long in read_lines(stream):
            if is_too_long or data.isspace():
                continue
            is_good = b"\0" not in data and _is_utf8(data)
            n_good, n_bad = n_good + is_good, n_bad + (not is_good)
    return n_good >= n_bad


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(text: str) -> bool:
    others = [char for char in text if not char.isascii()]
    n_common = sum(char in COMMON for char in others)
    n_kana = sum("\u3041" <= char <= "\u30ff" for char in others)
    return n_common >= MIN_COMMON_SHARE * len(others) > 0 and n_kana < MAX_KANA_SHARE * len(others)


def _guess_encoding(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    # A quote is never the second half of a GB18030 character, so the sample ends at a whole one.
    sample = data[:SAMPLE_BYTES]
    best = from_bytes(sample.rpartition(b'"')[0] or sample.rpartition(b"\n")[0] or sample).best()
    return best.encoding if best else None


def _byte_and_line(reopen: Reopen, offset: int) -> tuple[str, int]:
    line, left = 1, offset
    with reopen() as stream:
        while left and (chunk := stream.read(min(MIB, left))):
            line, left = line + chunk.count(b"\n"), left - len(chunk)
        return f"0x{stream.read(1).hex() or '00'}", line
