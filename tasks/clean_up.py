"""What a workspace and a registry hold that nobody needs any more: listed first, then deleted."""

import json
import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from tasks.run_log import runs_of
from tasks.stage import store
from tuneline import tracking
from tuneline.registry import Registry, Version
from tuneline.registry.retention import delete_files, kept_versions, never_champions
from tuneline.release.ledger import LedgerState
from tuneline.store import KEPT_STAGES, MANIFEST, workspace

log = logging.getLogger("tuneline.clean_up")

DAY_S = 86_400
MIB = 2**20
KEPT = KEPT_STAGES | {"measured_speed"}
"""Stages whose outputs are small or shared by all, and never deleted."""


class Waste(NamedTuple):
    """Something that may go."""

    path: Path
    size_mib: float
    age_days: float
    """Since it was last used."""
    why: str


class Plan(NamedTuple):
    """All that may go."""

    paths: list[Waste]
    versions: list[Version]
    """Of which the files go; the version and its history stay."""

    @property
    def size_mib(self) -> float:
        """Of the paths together."""
        return sum(waste.size_mib for waste in self.paths)


def plan(keep_days: float) -> Plan:
    """Find outputs, left-overs and downloads that were not used for so many days.

    Never among them: what a champion of any time, a challenger or a version under test was made
    of and measured by, the ledger, base models, and what a holdout remembers.

    Args:
        keep_days: Days since the last use.
    """
    registry = Registry(tracking.tracking_uri())
    states = {domain: registry.state(domain) for domain in registry.domains()}
    needed = set().union(*(_needed(registry, d, state) for d, state in states.items()), set())
    paths = [*_outputs(keep_days, needed), *_left_overs(keep_days), *_downloads(keep_days)]
    versions = [
        version
        for domain, state in states.items()
        for version in never_champions(registry.client, domain, state, keep_days)
    ]
    return Plan(paths, versions)


def delete(planned: Plan, keep_days: float) -> int:
    """Delete what is still unused; returns how many things went."""
    gone = sum(_delete_path(waste.path, keep_days) for waste in planned.paths)
    registry = Registry(tracking.tracking_uri())
    for version in planned.versions:
        if version.number in kept_versions(registry.state(version.domain)):
            continue  # it was promoted, or became the challenger, since the plan was made
        delete_files(registry.client, version)
        gone += 1
    return gone


def rows(planned: Plan) -> list[dict[str, str]]:
    """For people: the largest first, then versions."""
    largest = sorted(planned.paths, key=lambda waste: -waste.size_mib)
    return [
        {
            "what": str(waste.path.relative_to(workspace())),
            "MiB": f"{waste.size_mib:,.1f}",
            "unused for": f"{waste.age_days:.0f} days",
            "why": waste.why,
        }
        for waste in largest
    ] + [
        {
            "what": f"files of {version.release}",
            "MiB": "",
            "unused for": f"registered {version.created[:10]}",
            "why": "never a champion",
        }
        for version in planned.versions
    ]


def _needed(registry: Registry, domain: str, state: LedgerState) -> set[tuple[str, str]]:
    """Stage and key of all outputs that versions with kept files came from."""
    kept = kept_versions(state)
    needed = {
        (stage.stage, stage.key)
        for run in runs_of(domain)
        if run.version in kept
        for stage in run.stages
    }
    for number in kept & state.releases().keys():
        tags = registry.client.get_model_version(domain, number).tags
        needed.add(("train", tags.get("lineage.train_key", "")))
        needed |= _data_of(tags.get("lineage.data_digest", ""))
    return needed


def _data_of(digest: str) -> set[tuple[str, str]]:
    manifests = (store().root / "store" / "data").glob(f"*/{MANIFEST}")
    return {
        ("data", path.parent.name)
        for path in manifests
        if json.loads(path.read_text())["digest"] == digest
    }


def _outputs(keep_days: float, needed: set[tuple[str, str]]) -> Iterator[Waste]:
    for path in sorted((workspace() / "store").glob(f"*/*/{MANIFEST}")):
        stage, key = path.parts[-3:-1]
        if stage not in KEPT and (stage, key) not in needed:
            yield from _if_old(path.parent, keep_days, "no kept release needs it", path)


def _left_overs(keep_days: float) -> Iterator[Waste]:
    for path in _things_in("work"):
        yield from _if_old(path, keep_days, "left by a run that was killed")


def _downloads(keep_days: float) -> Iterator[Waste]:
    for path in _things_in("downloads"):
        yield from _if_old(path, keep_days, "can be fetched again")


def _things_in(folder: str) -> list[Path]:
    """All but locks: a process may be waiting for one."""
    return sorted(p for p in (workspace() / folder).glob("*") if p.suffix != ".lock")


def _if_old(path: Path, keep_days: float, why: str, used: Path | None = None) -> Iterator[Waste]:
    age_days = _age_days(path, used)
    if age_days > keep_days:
        yield Waste(path, _size_mib(path), age_days, why)


def _age_days(path: Path, used: Path | None = None) -> float:
    """Of the newest file, or of the one that tells the last use."""
    newest = used or max([path, *path.rglob("*")], key=lambda file: file.stat().st_mtime)
    return (time.time() - newest.stat().st_mtime) / DAY_S


def _size_mib(path: Path) -> float:
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()) / MIB


def _delete_path(path: Path, keep_days: float) -> bool:
    """Move out of sight first, so that nobody sees a half-deleted output; in use it stays."""
    lock = FileLock(_lock_of(path))
    try:
        with lock.acquire(timeout=0):
            manifest = path / MANIFEST
            if not path.exists() or _age_days(path, manifest if manifest.is_file() else None) <= (
                keep_days
            ):
                return False
            trash = workspace() / "work" / f"trash-{uuid.uuid4().hex}"
            trash.parent.mkdir(parents=True, exist_ok=True)
            path.rename(trash)
    except Timeout:
        return False
    shutil.rmtree(trash) if trash.is_dir() else trash.unlink()
    log.info("clean_up: deleted %s", path)
    return True


def _lock_of(path: Path) -> Path:
    """The lock under which the store builds an output, or a file beside the path."""
    if path.parent.parent.name == "store":
        return workspace() / "work" / f"{path.parent.name}-{path.name}.lock"
    return path.with_name(f"{path.name}.lock")
