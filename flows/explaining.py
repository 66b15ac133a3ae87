"""`tuneline explain`: what each stage's key is made of, and why it ran or was reused."""

from typing import TYPE_CHECKING

from flows.tables import print_table
from tasks.run_log import Explanation, explain, runs_of

if TYPE_CHECKING:
    from rich.console import Console


def print_explanation(domain: str, console: "Console") -> None:
    """Print the last retraining stage by stage."""
    found = explain(domain)
    if not found:
        console.print(f"{domain} has not been retrained in this workspace.")
        return
    last = runs_of(domain)[-1]
    print_table(console, f"Retraining of {domain} that ended {last.at}", [_row(e) for e in found])
    console.print("What keys are made of:")
    for stage, names in {e.stage.stage: e.inputs for e in found}.items():
        console.print(f"  {stage}: {', '.join(names)}", markup=False, soft_wrap=True)


def _row(found: Explanation) -> dict[str, str]:
    return {
        "stage": found.stage.name,
        "key": found.stage.key[:12],
        "": "reused" if found.stage.is_reused else f"built in {found.stage.wall_s:.1f} s",
        "why": found.why,
    }
