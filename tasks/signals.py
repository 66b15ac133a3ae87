"""What calls for a retraining: new data, drift, feedback; as events on the Prefect server."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

from tuneline.data.reading.files import find_files
from tuneline.profile import Profile
from tuneline.release.version import check_domain
from tuneline.store import digest_of, workspace

Kind = Literal["data-arrived", "drift", "feedback"]
KINDS: tuple[str, ...] = get_args(Kind)
FOLDER = "inbox"
"""Of the workspace: what each domain's files were at the last look."""
SETTLE_S = 60.0
"""A file that was written to so lately may be half there."""


class Seen(NamedTuple):
    """A domain's files at one look."""

    digest: str
    """Over names and contents."""
    n_files: int
    has_news: bool
    """Whether they are others than at the last look, and whole."""
    is_settled: bool


def look(settings: Profile, now_s: float | None = None) -> Seen:
    """Look at the files of all sources.

    Args:
        settings: The profile.
        now_s: Seconds since the epoch; default the clock.
    """
    files = [file for source in settings.data.sources for file in find_files(source)]
    digest = digest_of(sorted([file.path, file.digest] for file in files))
    now_s = time.time() if now_s is None else now_s
    local = [Path(file.path) for file in files if "://" not in file.path]
    is_settled = all(now_s - path.stat().st_mtime >= SETTLE_S for path in local)
    last = _remembered(settings.domain)
    return Seen(digest, len(files), is_settled and last not in (None, digest), is_settled)


def remember(domain: str, seen: Seen) -> None:
    """Keep a look for the next one; one that was put off is not kept."""
    if not seen.is_settled and _remembered(domain) is not None:
        return
    path = _path(domain)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"digest": seen.digest}))
    partial.replace(path)


def emit(domain: str, kind: str, payload: Mapping[str, Any]) -> None:
    """Emit `tuneline.<kind>` about a domain; it has arrived when this returns.

    Args:
        domain: Such as `lawyer`; the event's resource is `tuneline.domain.lawyer`.
        kind: One of `KINDS`.
        payload: What a person may want to know of it, JSON-ready.
    """
    check_domain(domain)
    resource = Resource({"prefect.resource.id": f"tuneline.domain.{domain}"})
    event = Event(event=f"tuneline.{kind}", resource=resource, payload=dict(payload))
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()


def _remembered(domain: str) -> str | None:
    path = _path(domain)
    return str(json.loads(path.read_text())["digest"]) if path.is_file() else None


def _path(domain: str) -> Path:
    return workspace() / FOLDER / f"{domain}.json"
