"""Bytes of a file on this machine or behind any fsspec URL, unpacked where it is gzipped."""

import glob
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from tuneline.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_bytes(path: str) -> Iterator[BinaryIO]:
    """Open a file, unpacked where it is gzipped; closed on leaving."""
    with ExitStack() as stack:
        stream = stack.enter_context(open_raw(path))
        magic = stream.read(2)
        stream.seek(0)
        if magic == GZIP_MAGIC:
            unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
            stream = cast(BinaryIO, unpacked)
        yield stream


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
