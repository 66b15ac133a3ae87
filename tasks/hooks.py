"""Tell servers that the champion changed, as the domain's profile says."""

import re
from collections.abc import Sequence
from pathlib import Path

from prefect.context import FlowRunContext

from tasks.artifacts import Row, show_table
from tuneline import profile, tracking
from tuneline.errors import ProfileError
from tuneline.hooks import Change, HookResult, HooksConfig, run_hooks
from tuneline.profile import Profile, load_profile
from tuneline.registry import Registry


def tell(domain: str, config: HooksConfig | None = None, since: int = 0) -> list[HookResult]:
    """Call the hooks for the last change of the champion; inside a flow, show them.

    Args:
        domain: Such as `lawyer`.
        config: Of the profile at hand; default: of the domain's profile on this machine, and never
            of a release, whose commands could come from anybody who can write to MLflow.
        since: Event of the ledger; changes up to it were told before.
    """
    change = last_change(Registry(tracking.tracking_uri()), domain, since)
    if change is None:
        return []
    try:
        results = run_hooks(config_of(domain) if config is None else config, change)
    except (ProfileError, OSError, ValueError) as error:  # a rollback must not end in a traceback
        results = [HookResult("hooks of the profile", False, str(error), 0.0)]
    if results and FlowRunContext.get() is not None:
        show_table(domain, "hooks", hook_rows(results), f"Told of {change.release}")
    return results


def last_change(registry: Registry, domain: str, since: int = 0) -> Change | None:
    """The last event that moved the champion, as hooks are told; None where none is later."""
    state = registry.state(domain)
    moves = [event for event in state.events if event.moves_champion and event.number > since]
    if not moves:
        return None
    event, releases = moves[-1], state.releases()
    version = registry.find(domain, str(event.to_version))
    return Change(
        id=f"{domain}-{event.number}",
        kind=event.kind,
        domain=domain,
        release=version.release,
        version=version.number,
        previous=releases.get(event.from_version or ""),
        source=version.source,
        at=event.at,
        actor=event.actor,
        reason=event.why,
    )


def config_of(domain: str) -> HooksConfig:
    """Hooks of `profiles/<domain>.yaml`, else of the only profile with that domain, else none."""
    named = profile.PROFILES / f"{domain}.yaml"
    files = [named] if named.is_file() else sorted(profile.PROFILES.glob("*.yaml"))
    found = [loaded for file in files if (loaded := _loaded(file, domain))]
    return found[0].hooks if len(found) == 1 else HooksConfig()


def hook_rows(results: Sequence[HookResult]) -> list[Row]:
    """What became of each hook."""
    return [
        {
            "hook": result.hook,
            "done": "yes" if result.is_done else "NO, the change stands",
            "said": result.said,
            "seconds": round(result.wall_s, 2),
        }
        for result in results
    ]


def _loaded(file: Path, domain: str) -> Profile | None:
    match = re.search(r"^domain:\s*([a-z0-9_]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return load_profile(str(file)) if match and match[1] == domain else None
