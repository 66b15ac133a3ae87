"""Trials of training settings -> the best ones."""

from typing import TYPE_CHECKING, Any

from prefect import flow

from tasks import base_model, data, release
from tasks import search as trials
from tuneline.profile import load_profile

if TYPE_CHECKING:
    from rich.console import Console

STAGES = {"search": 1.0}
"""What progress is measured by: how long the rest takes by comparison is not known before."""


@flow(name="search", flow_run_name="search {profile}")
def search(profile: str, overrides: dict[str, Any] | None = None) -> trials.Searched:
    """Try training settings under a budget; runs of the same profile share the trials.

    Args:
        profile: A file of `profiles/` without its ending, such as `demo`.
        overrides: Settings to change, such as `{"search.trials": 40}`.
    """
    settings = load_profile(profile, overrides)
    release.check(settings)
    splits = data.prepare(settings, base_model.tokenizer(settings.base_model))
    base = base_model.get(settings.base_model)
    return trials.search(settings, splits, base)


def show(profile: str, found: trials.Searched, console: "Console") -> None:
    """Print the best trials and how to train with them."""
    from flows.tables import print_table

    report = found.report
    counts = ", ".join(
        f"{n} {state}"
        for state in ("complete", "stopped", "failed", "interrupted", "running")
        if (n := report.count(state))
    )
    print_table(console, f"Trials of {report.study}: {counts}", found.rows)
    if not report.best():
        console.print("No trial is complete yet; run the same command again to go on.")
    elif found.overrides:
        console.print("Train with the best settings:")
        console.print(
            f"  tuneline retrain {profile} {found.overrides}", markup=False, soft_wrap=True
        )
    else:
        console.print("The profile's own settings are the best of these.")
    console.print(f"Picture: {found.picture}", markup=False, soft_wrap=True)
    console.print(f"MLflow run: {found.run_id}", markup=False, soft_wrap=True)
