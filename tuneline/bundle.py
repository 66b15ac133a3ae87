"""Folders that leave the workspace: whole or not there, named by content, with a SHA-256 each."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneline.errors import RegistryError
from tuneline.store import MANIFEST, digest_of, file_digests

SUMS = "SHA256SUMS"
"""Checked by `sha256sum -c SHA256SUMS` inside the folder."""
ABOUT = "export.json"
DIGITS = 12
"""Hexadecimal digits of the content in a folder's name."""


def write_bundle(out: Path, stem: str, source: Path, about: Mapping[str, Any]) -> Path:
    """Copy a folder to `<out>/<stem>-<digest>`, visible when it is whole; once per content.

    Serving caches keep models by name: another content never has the same name.

    Args:
        out: Folder of exports; made where it is missing.
        stem: Begin of the name, such as `v1.0-lawyer-20250401-merged`.
        source: What is copied, links as files; a stage's manifest is not.
        about: JSON-ready; what `export.json` says beside the digest.

    Returns:
        The new folder, or the one that was there.

    Raises:
        RegistryError: A folder of that name holds other files.
    """
    digests = file_digests(source)
    digest = digest_of(digests)
    target = out / f"{stem}-{digest[:DIGITS]}"
    if target.exists():
        _check(target, digests)
        return target
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out) as scratch:
        work = Path(scratch, "files")
        shutil.copytree(source, work, ignore=shutil.ignore_patterns(MANIFEST))
        _check(work, digests)
        text = {**about, "sha256": digest, "files": digests}
        (work / ABOUT).write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")
        lines = [f"{sha256}  {name}\n" for name, sha256 in file_digests(work).items()]
        (work / SUMS).write_text("".join(lines), encoding="utf-8")
        _flush(work)
        try:
            work.rename(target)
        except OSError:  # another export of the same content was faster
            _check(target, digests)
    return target


def _check(folder: Path, digests: Mapping[str, str]) -> None:
    found = file_digests(folder)
    wrong = sorted(name for name, sha256 in digests.items() if found.get(name) != sha256)
    if wrong:
        raise RegistryError(
            f"{folder} is not what it was named for: {', '.join(wrong)} differs; "
            "remove the folder and export again"
        )


def _flush(folder: Path) -> None:
    """Files reach the disk before their name does, so that no power cut leaves empty ones."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
