"""Content-addressed stage outputs: built once, renamed into place, never half visible."""

import ast
import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from tuneline.errors import StoreError

MANIFEST = "manifest.json"
PACKAGE = Path(__file__).parent
CODE_SUFFIXES = {".py", ".html", ".css"}
KEY_DIGITS = 32
"""Hexadecimal digits of a stage's key: 128 bits of SHA-256."""
FRESH = "TUNELINE_FRESH"
"""Variable with the name of a run that takes nothing from the store that it did not build itself;
child processes inherit it."""
KEPT_STAGES = frozenset({"base_model", "tokenizer"})
"""Stages that a fresh run takes from the store: their content is pinned by a digest."""

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NO_SPACE_WORDS = ("No space left on device", "database or disk is full", "unexpected pos ")
"""Of libraries that wrap the system's error; the last is torch's word for a file cut short."""

_elsewhere: list[Set[str]] = []


@dataclass(frozen=True, slots=True)
class StageOutput:
    """A finished stage: what travels between stages instead of data."""

    stage: str
    key: str
    """Digest of everything that decides the output: inputs, settings, code, versions."""
    path: Path
    """Folder with the stage's files and `manifest.json`."""
    digest: str
    """SHA-256 over the names and contents of the files."""
    is_reused: bool
    """True where the output was there before it was asked for."""
    duration_s: float
    """Wall time that building it took, seconds."""


def workspace() -> Path:
    """Folder of everything Tuneline writes: `$TUNELINE_WORKSPACE`, else `./workspace`."""
    return Path(os.environ.get("TUNELINE_WORKSPACE", "workspace")).absolute()


class Store:
    """Stage outputs under `<root>/store/<stage>/<key>/`.

    A stage is built in `<root>/work/`, where a killed build leaves what it had, and renamed into
    place when it is whole. A lock per key lets a second run of the same stage wait and then reuse;
    the operating system frees the lock of a killed process.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, stage: str, key: str) -> StageOutput | None:
        """The finished output, or None."""
        folder = self.root / "store" / stage / key
        if not (folder / MANIFEST).is_file():
            return None
        manifest = json.loads((folder / MANIFEST).read_text())
        return StageOutput(stage, key, folder, manifest["digest"], True, manifest["duration_s"])

    def build(
        self,
        stage: str,
        inputs: Mapping[str, Any],
        write: Callable[[Path], None],
        *,
        keeps_partial: bool = False,
        describe: Callable[[Path], Mapping[str, Any]] = lambda folder: {},
    ) -> StageOutput:
        """Return the stage's output, calling `write` with an empty folder unless it is there.

        Args:
            stage: Name of the stage; a folder of the store.
            inputs: JSON-ready values that decide the output.
            write: Fills the folder it is given; runs at most once at a time per key.
            keeps_partial: Give `write` the folder of a killed build as it was left.
            describe: What else the manifest says of the finished folder, for people.

        Raises:
            Whatever `write` raises; nothing becomes visible then.
        """
        inputs = {**inputs, **({} if stage in KEPT_STAGES else fresh_inputs())}
        key = digest_of({"stage": stage, **inputs})[:KEY_DIGITS]
        work = self.root / "work" / f"{stage}-{key}"
        work.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{work}.lock"):
            if found := self.find(stage, key):
                os.utime(found.path / MANIFEST)  # when it was last used: `tuneline clean-up` asks
                return found
            if any(stage in stages for stages in _elsewhere):
                raise StoreError(
                    f"{stage} {key[:12]} is not in {self.root / 'store'}, though the machine that "
                    "does this work has ended it; give both machines the same TUNELINE_WORKSPACE "
                    "and the same version of Tuneline, and run again"
                )
            if work.exists() and not keeps_partial:
                shutil.rmtree(work)
            work.mkdir(exist_ok=True)
            started = time.monotonic()
            try:
                write(work)
                details = {"inputs": dict(inputs), **describe(work)}
                return self._publish(stage, key, work, details, time.monotonic() - started)
            except Exception as error:
                if not is_disk_full(error):
                    raise
                if not keeps_partial:
                    shutil.rmtree(work)
                raise disk_full(self.root, stage) from error

    def _publish(
        self, stage: str, key: str, work: Path, details: Mapping[str, Any], duration_s: float
    ) -> StageOutput:
        files = file_digests(work)
        manifest = {
            "stage": stage,
            "key": key,
            "digest": digest_of(files),
            **details,
            "files": files,
            "duration_s": round(duration_s, 3),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        (work / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        final = self.root / "store" / stage / key
        final.parent.mkdir(parents=True, exist_ok=True)
        work.replace(final)
        return StageOutput(stage, key, final, str(manifest["digest"]), False, duration_s)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, is that a disk or a quota is used up."""
    causes: list[BaseException | None] = [error, error.__cause__, error.__context__]
    for cause in filter(None, causes):
        if isinstance(cause, OSError) and cause.errno in NO_SPACE:
            return True
        if any(words in str(cause) for words in NO_SPACE_WORDS):
            return True
    return False


def disk_full(root: Path, what: str) -> StoreError:
    """Says where space is needed, and how to get some."""
    free_mib = shutil.disk_usage(root).free / 2**20
    return StoreError(
        f"the disk of {root} is full ({free_mib:,.0f} MiB free), so {what} could not be written; "
        "make room, for which `tuneline clean-up` lists what nobody needs, and run the same "
        "command again: what was finished is kept"
    )


@contextmanager
def built_elsewhere(stages: Set[str]) -> Iterator[None]:
    """Let these stages be found only: what is missing is an error, and is not built here."""
    _elsewhere.append(stages)
    try:
        yield
    finally:
        _elsewhere.pop()


@contextmanager
def fresh(name: str | None) -> Iterator[None]:
    """Give every stage inside the block a key of its own, so that no earlier output is taken.

    Args:
        name: Identifies the run: the same name finds what it built before. None changes nothing.
    """
    before = os.environ.get(FRESH)
    if name is not None:
        os.environ[FRESH] = name
    try:
        yield
    finally:
        if name is not None:
            os.environ.pop(FRESH)
            os.environ.update({} if before is None else {FRESH: before})


def fresh_inputs() -> dict[str, str]:
    """What a fresh run adds to the inputs of its stages; nothing in any other run."""
    return {"fresh": os.environ[FRESH]} if FRESH in os.environ else {}


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-ready value in canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """Relative name -> SHA-256 of every file below a folder, in name order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def code_version(*modules: str) -> dict[str, str]:
    """Digest of the source of modules or sub-packages of `tuneline`, blind to comments and layout.

    Part of every stage's inputs, so that a changed function makes its stage run again.
    """
    digests = {}
    for module in modules:
        path = PACKAGE / module
        files = sorted(path.rglob("*.*")) if path.is_dir() else [path.with_suffix(".py")]
        sources = [_source(file) for file in files if file.suffix in CODE_SUFFIXES]
        digests[f"code:{module}"] = hashlib.sha256("".join(sources).encode()).hexdigest()[:16]
    return digests


def _source(file: Path) -> str:
    found = file.stat()
    return _source_of(file, found.st_mtime_ns, found.st_size)


@cache
def _source_of(file: Path, mtime_ns: int, size: int) -> str:
    """Parsed once per state of the file: twenty stages of a run ask for the same modules."""
    text = file.read_text(encoding="utf-8")
    return ast.dump(ast.parse(text)) if file.suffix == ".py" else text


def package_versions(*packages: str) -> dict[str, str]:
    """Installed versions, part of the inputs of stages whose output depends on them."""
    return {f"version:{package}": importlib.metadata.version(package) for package in packages}
