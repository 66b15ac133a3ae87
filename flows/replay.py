"""A release trained again: the same bytes, or what differs."""

from typing import TYPE_CHECKING, Any

from prefect import flow

from tasks import base_model
from tasks import replay as replaying
from tuneline.replay import Replay

if TYPE_CHECKING:
    from rich.console import Console


STAGES = {"base model": 2.0, "prepare data": 8.0, "train": 90.0}
"""Stages in their order and how long they take by comparison."""


@flow(name="replay", flow_run_name="replay {domain} {release}")
def replay(
    domain: str, release: str = "champion", overrides: dict[str, Any] | None = None
) -> Replay:
    """Train a release again from what the registry has of it; nothing is registered.

    Args:
        domain: Such as `lawyer`.
        release: Release name, version number, `champion` or `challenger`.
        overrides: Settings to change, such as the path of a source that was moved.
    """
    recorded = replaying.find(domain, release)
    settings = replaying.settings_of(recorded, overrides or {})
    base = base_model.get(settings.base_model)
    changes_data = any(key.startswith("data.") for key in overrides or {})
    splits = replaying.find_data(settings, recorded, changes_data)
    replayed = replaying.train_again(settings, recorded, splits, base)
    replaying.show(domain, replayed)
    return replayed


def print_replay(replayed: Replay, console: "Console") -> None:
    """Print the outcome and what differs."""
    from flows.tables import print_table

    console.print(replayed.verdict, markup=False, soft_wrap=True)
    if replayed.differences:
        print_table(console, "What differs", replaying.difference_rows(replayed))
    console.print(f"Adapter: {replayed.folder}", markup=False, soft_wrap=True)
