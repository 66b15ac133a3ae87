"""Bytes of a file on this machine or behind any fsspec URL, unpacked where it is gzipped."""

import glob
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from tuneline.data.reading.rows import MIB
from tuneline.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
MAX_EXPANSION = 100
"""Text packs to a tenth or a twentieth; what unpacks to more than this was made to fill memory."""
FREE_BYTES = 256 * MIB
"""So much may come out of a file of any size."""


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """Open a file, unpacked where it is gzipped; closed on leaving."""
    with ExitStack() as stack:
        stream = stack.enter_context(open_raw(path))
        magic = stream.read(2)
        stream.seek(0)
        if magic == GZIP_MAGIC:
            unpacked = stack.enter_context(_BoundedGzip(path, stream))
            stream = cast(BinaryIO, unpacked)
        yield stream


class _BoundedGzip(gzip.GzipFile):
    """Gzipped bytes; raises DataError as soon as far more came out than the file can hold."""

    def __init__(self, path: str, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._path = path
        self._most = max_unpacked(stream.seek(0, io.SEEK_END))
        stream.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        whole = size is None or size < 0
        return self._checked(super().read(self._most + 1 if whole else size))

    def read1(self, size: int = -1) -> bytes:
        return self._checked(super().read1(size))

    def readline(self, size: int | None = -1) -> bytes:
        whole = size is None or size < 0
        return self._checked(super().readline(self._most + 1 if whole else size))

    def _checked(self, data: bytes) -> bytes:
        if self.tell() > self._most:
            raise too_much(self._path)
        return data


def max_unpacked(packed: int) -> int:
    """Most bytes that may come out of so many packed ones."""
    return max(FREE_BYTES, MAX_EXPANSION * packed)


def too_much(path: str) -> DataError:
    """The error for a file that unpacks to far more than it holds."""
    return DataError(
        f"{path}: unpacks to more than {MAX_EXPANSION} times its size and was not read further; "
        "if that is meant, unpack it and name the unpacked file"
    )


def as_seekable(stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    """The stream, or a copy on disk of what would have to be unpacked again to go back."""
    if not isinstance(stream, gzip.GzipFile):
        return stream
    copy = stack.enter_context(cast(BinaryIO, tempfile.TemporaryFile()))  # noqa: SIM115
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy


def is_gzipped(path: str) -> bool:
    """Whether the file begins as gzip does, whatever its name."""
    with open_raw(path) as stream:
        return bool(stream.read(2) == GZIP_MAGIC)


@contextmanager
def file_errors(path: str) -> Iterator[None]:
    """Turn what storage, gzip and missing drivers raise into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise nothing_at(path) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"the gzip data is broken ({error}); the file looks cut off; copy it again"
        raise DataError(f"{path}: {reason}") from None
    except ImportError as error:
        raise DataError(f"{path}: {error}; for s3:// pip install 'tuneline[s3]'") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise DataError(f"{path}: cannot be read: {reason}; check path and permissions") from None


def open_raw(path: str) -> Any:
    """The file's bytes as they are stored; close it."""
    if "://" not in path:
        return Path(path).open("rb")
    fs, root = file_system(path)
    return fs.open(root, "rb")


def file_system(path: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(path)
    except ValueError as error:
        raise DataError(f"{path}: {error}; use a URL that fsspec knows") from None
    return fs, str(root)


def nothing_at(path: str) -> DataError:
    """The error for a path where no data is."""
    if "://" not in path and Path(path).is_dir():
        return DataError(f"{path}: the folder holds no data file; correct the source's 'path'")
    where = "" if "://" in path else f" in {Path.cwd()}"
    what = "no file matches" if glob.has_magic(path) else "no such file"
    return DataError(f"{path}: {what}{where}; correct the source's 'path'")
