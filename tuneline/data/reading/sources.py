"""One file of a source to records and drops, row by row; memory holds a batch, not the file."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from types import TracebackType
from typing import Self

from tuneline.data.drops import Drop
from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.containers import (
    CONTAINERS,
    HEAD_BYTES,
    MAGIC,
    Opened,
    binary_container,
    text_container,
)
from tuneline.data.reading.dataset_info import resolve_entry
from tuneline.data.reading.detection import check_sample, detect_format, unused_columns
from tuneline.data.reading.encodings import Encoding, find_encoding
from tuneline.data.reading.files import InputFile
from tuneline.data.reading.opening import as_seekable, file_errors, is_gzipped, open_bytes
from tuneline.data.reading.record_reader import RecordReader, prepare_row
from tuneline.data.reading.rows import Rows
from tuneline.errors import DataError
from tuneline.records import Record

log = logging.getLogger(__name__)

SAMPLE_ROWS = 1000


class OpenFile:
    """A file whose container, encoding and format are known; iterate once over what it holds."""

    container: str
    """A name in `CONTAINERS`, with `.gz` behind it where the file is gzipped."""
    encoding: str
    """utf-8, utf-8-sig, gb18030 or binary."""
    format: str
    """A name in `FORMATS`."""

    def __init__(self, source: SourceConfig, file: InputFile) -> None:
        """Look at the file's beginning; `open_file` says what may be raised."""
        self._file, self._stack, self._source = file, ExitStack(), resolve_entry(source)
        try:
            with file_errors(file.path):
                self._rows = self._open()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Record | Drop]:
        read = RecordReader(self._source, self._file.path, self.format).read
        n_kept = n_dropped = 0
        with file_errors(self._file.path):
            for row in self._rows:
                item = read(row)
                if isinstance(item, Drop):
                    n_dropped += 1
                else:
                    n_kept += 1
                yield item
        self._log(n_kept, n_dropped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; iterating is over."""
        self._stack.close()

    def _open(self) -> Rows:
        path = self._file.path
        is_packed = is_gzipped(path)
        opened, self.container = _open_container(path, self._source.entry, self._stack)
        self.encoding = opened.encoding
        rows = CONTAINERS[self.container](opened)
        self.container += ".gz" * is_packed
        sample = list(islice(rows, SAMPLE_ROWS))
        named = self._source.format
        prepared = [prepare_row(item, self._source) for item in sample]
        check_sample(path, prepared)
        self.format = detect_format(path, prepared) if named == "auto" else named
        if unused := unused_columns(self.format, self._source, prepared):
            log.info("reading: file=%s columns_not_used=%s", path, ",".join(unused))
        return chain(sample, rows)

    def _log(self, *counts: int) -> None:
        found = (self._file.path, self.container, self.encoding, self.format)
        log.info(
            "reading: file=%s container=%s encoding=%s format=%s kept=%d dropped=%d",
            *found,
            *counts,
        )


def open_file(source: SourceConfig, file: InputFile) -> OpenFile:
    """Open one of the source's files and find out container, encoding and format.

    Raises:
        DataError: The file as a whole cannot be used: it is missing, empty, cut off or of an
            unknown encoding, or no format has its keys. A list or table that breaks later on
            raises while it is read.
    """
    return OpenFile(source, file)


def _open_container(path: str, sheet: str | None, stack: ExitStack) -> tuple[Opened, str]:
    with open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
    container, encoding, text = binary_container(head), Encoding("binary"), ""
    if container is None:
        encoding = find_encoding(path, partial(open_bytes, path))
        text = head.decode(encoding.name, errors="ignore")
        container = text_container(path, text)
    if encoding.damage and container != "jsonl":
        damage = encoding.damage
        raise DataError(f"{path}:{damage.line}: {damage.reason}; save the file as UTF-8 or GB18030")
    opened = stack.enter_context(open_bytes(path))
    if container in MAGIC.values():
        opened = as_seekable(opened, stack)
    return Opened(path, opened, encoding.name, text, sheet), container
