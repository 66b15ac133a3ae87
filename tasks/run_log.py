"""What each retraining went through, kept for explanations and for cleaning up."""

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tasks.stage import StageRun
from tuneline.explaining import Change, changes, input_names, inputs_of
from tuneline.store import workspace

FOLDER = "runs"


class LoggedRun(msgspec.Struct, frozen=True):
    """One retraining."""

    domain: str
    profile: str
    at: str
    """When it ended, UTC."""
    candidate: str
    version: str | None
    """Its version number; None where it has none."""
    stages: tuple[StageRun, ...]


class Explanation(NamedTuple):
    """One stage of a run, and why it ran or was reused."""

    stage: StageRun
    inputs: list[str]
    """Names of what its key is made of."""
    is_first: bool
    """Whether no earlier run of this profile had the stage."""
    changed: list[Change]
    """Against the earlier run."""

    @property
    def why(self) -> str:
        """In words."""
        if self.stage.is_reused:
            return f"none of its {len(self.inputs)} inputs changed"
        if self.is_first:
            return "there was no output yet"
        if not self.changed:
            return "its inputs are those of the last run, whose output was not kept"
        return "; ".join(map(str, self.changed))

    @property
    def short(self) -> str:
        """The first change, and how many there are besides."""
        more = len(self.changed) - 1
        return f"{self.changed[0]}" + (f" and {more} more" if more > 0 else "")


def keep(
    domain: str, profile: str, candidate: str, version: str | None, stages: Sequence[StageRun]
) -> None:
    """Write down a retraining that ended."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    run = LoggedRun(domain, profile, now, candidate, version, tuple(stages))
    folder = workspace() / FOLDER / domain
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(run))
    partial.replace(path)


def runs_of(domain: str) -> list[LoggedRun]:
    """Retrainings of a domain in this workspace, oldest first."""
    return [_read(path) for path in sorted((workspace() / FOLDER / domain).glob("*.json"))]


def explain(domain: str) -> list[Explanation]:
    """Each stage of the last retraining, held against the one before of the same profile."""
    runs = runs_of(domain)
    if not runs:
        return []
    last = runs[-1]
    earlier = [run for run in runs[:-1] if run.profile == last.profile]
    return explain_stages(last.stages, earlier[-1].stages if earlier else ())


def explain_stages(stages: Sequence[StageRun], earlier: Sequence[StageRun]) -> list[Explanation]:
    """Why each stage ran or was reused; a stage that ran twice is met by its turn."""
    before: dict[str, list[StageRun]] = {}
    for run in earlier:
        before.setdefault(run.name, []).append(run)
    found = []
    for run in stages:
        turns = before.get(run.name, [])
        old = turns.pop(0) if turns else None
        found.append(_explain(run, old))
    return found


def _explain(run: StageRun, old: StageRun | None) -> Explanation:
    inputs = inputs_of(workspace(), run.stage, run.key)
    changed = changes(inputs_of(workspace(), old.stage, old.key), inputs) if old else []
    return Explanation(run, input_names(inputs), old is None, changed)


def _read(path: Path) -> LoggedRun:
    return msgspec.json.decode(path.read_bytes(), type=LoggedRun)
