"""Which files a source names, on this machine or behind any fsspec URL."""

import glob
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.dataset_info import resolve_entry
from tuneline.data.reading.opening import file_errors, file_system, nothing_at, open_raw
from tuneline.data.reading.rows import MIB
from tuneline.errors import DataError

log = logging.getLogger(__name__)

NOT_DATA = {"dataset_info.json", "license", "license.txt", "notice", "notice.txt", "_success"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file as it was found."""

    path: str
    """As people would write it: relative stays relative, a URL stays a URL."""
    digest: str
    """SHA-256 of the raw bytes, 64 hexadecimal digits."""
    size: int
    """Raw bytes, compressed where the file is."""


def find_files(source: SourceConfig) -> list[InputFile]:
    """Files that the source names, by path; hidden files and documents in folders are skipped.

    Raises:
        DataError: There is none, the place cannot be reached, or a name in it leads nowhere.
    """
    path = resolve_entry(source).path
    with file_errors(path):
        paths = _remote_paths(path) if "://" in path else _local_paths(path)
        if not paths:
            raise nothing_at(path)
        return [_describe(_check(found)) for found in sorted(paths)]


def _local_paths(path: str) -> list[str]:
    if Path(path).is_file():
        return [path]
    if not Path(path).is_dir():
        found = glob.glob(path, recursive=True)  # noqa: PTH207 (Path.glob takes hidden files)
        return [n for n in found if _is_file_or_link(Path(n)) and _is_data((Path(n).name,))]
    inside = [found for found in Path(path).rglob("*") if _is_file_or_link(found)]
    return [str(found) for found in inside if _is_data(found.relative_to(path).parts)]


def _is_file_or_link(path: Path) -> bool:
    """Whether this is a file, or a link that leads nowhere, which `_check` then names."""
    return path.is_file() or _is_broken_link(path)


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _check(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(f"{path!r}: the file's name is not UTF-8; rename the file") from None
    if "://" not in path and _is_broken_link(Path(path)):
        raise DataError(f"{path}: the link leads to no file; mend or remove it")
    return path


def _remote_paths(path: str) -> list[str]:
    fs, root = file_system(path)
    if fs.isfile(root):
        return [path]
    if glob.has_magic(root):
        matches = [found for found in fs.glob(root) if fs.isfile(found)]
        return [fs.unstrip_protocol(name) for name in matches if _is_data((Path(name).name,))]
    inside = [found[len(root) :].lstrip("/") for found in fs.find(root)]
    return [f"{path.rstrip('/')}/{found}" for found in inside if _is_data(tuple(found.split("/")))]


def _is_data(parts: tuple[str, ...]) -> bool:
    name = parts[-1].lower()
    is_document = name in NOT_DATA or PurePosixPath(name).suffix == ".md"
    if is_document:
        log.info("reading: skipped=%s, a document", "/".join(parts))
    return not is_document and not any(part.startswith(".") for part in parts)


def _describe(path: str) -> InputFile:
    hasher, size = hashlib.sha256(), 0
    with file_errors(path), open_raw(path) as stream:
        while chunk := stream.read(MIB):
            hasher.update(chunk)
            size += len(chunk)
    return InputFile(path, hasher.hexdigest(), size)
