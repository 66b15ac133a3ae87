"""What a retraining did, for the terminal."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from flows.tables import print_table
from tasks.artifacts import (
    SLICES_NOTE,
    forgetting_rows,
    funnel_rows,
    gate_rows,
    noise_rows,
    score_rows,
    slice_rows,
    training_text,
)
from tasks.gate import gate_rows as check_rows
from tasks.quantization_text import answer_rows, fidelity_rows, recommendation_rows, sentences
from tasks.run_log import explain

if TYPE_CHECKING:
    from flows.retrain import Retrained
    from tuneline.release.event import Event
    from tuneline.reports import Comparison, QuantizationReport, TrainingReport


def print_summary(result: "Retrained", console: Console) -> None:
    """Print data, scores, quantizations, verdict and where to look."""
    print_table(console, "Records", funnel_rows(result.data))
    print_table(console, "Forecast (estimates) and what was measured", result.forecast)
    _print_training(result.training, console)
    for comparison in result.comparisons:
        title = f"Holdout: candidate against {comparison.baseline.name}"
        title += f" (task_score, {100 * comparison.confidence:g} % intervals)"
        print_table(console, title, score_rows(comparison))
    _print_gate(result.comparisons[-1], console)
    _print_slices(result.comparisons[-1], console)
    _print_guards(result, console)
    print_quantizations(result.quantizations, console)
    _print_verdict(result, console)
    _print_places(result, console)


def print_quantizations(report: "QuantizationReport", console: Console) -> None:
    """Print both tables of the variants, verdicts with reasons, and what is recommended."""
    n = report.n_prompts
    print_table(console, f"Quantizations ({n} prompts)", answer_rows(report))
    print_table(console, "Quantizations against their reference", fidelity_rows(report))
    for sentence in sentences(report) if report.variants else ():
        console.print(f"  - {sentence}", markup=False)
    print_table(console, "Recommended", recommendation_rows(report))


def _print_training(report: "TrainingReport", console: Console) -> None:
    console.print(f"[bold]Training: {training_text(report)}[/]")
    if report.advice:
        console.print(f"  - {report.advice}", markup=False, soft_wrap=True)


def _print_gate(comparison: "Comparison", console: Console) -> None:
    """Further metrics of the gate, and noise, where the profile asks for them."""
    if len(comparison.metrics) > 1:
        title = (
            f"Metrics of the gate, judged together: candidate against {comparison.baseline.name}"
        )
        print_table(console, title, gate_rows(comparison))
    if noise := noise_rows([comparison.baseline, comparison.candidate]):
        print_table(console, "Noise: the same model once more, in other batches", noise)


def _print_slices(comparison: "Comparison", console: Console) -> None:
    """Dimensions of which at least two slices hold enough records; sources are shown above."""
    found = [part for part in comparison.slices if part.dimension != "source"]
    n_enough = Counter(part.dimension for part in found if not part.is_too_few)
    shown = [part for part in found if n_enough[part.dimension] > 1]
    title = f"Slices: candidate against {comparison.baseline.name} ({SLICES_NOTE})"
    if shown:
        print_table(console, title, slice_rows(shown))


def _print_guards(result: "Retrained", console: Console) -> None:
    if result.forgetting is not None:
        title = f"General questions: {result.forgetting.benchmark}"
        print_table(console, title, forgetting_rows(result.forgetting))
    if result.look is not None:
        look = result.look
        worn = ", worn" if look.is_worn else ""
        console.print(f"Holdout: look {look.number}, {look.max_looks} are planned{worn}")


def _print_verdict(result: "Retrained", console: Console) -> None:
    decision = result.decision
    print_table(console, "Checks of the gate", check_rows(result.checks))
    console.print(f"[bold]Verdict: {decision.verdict}[/] (against {decision.baseline})")
    for reason in decision.reasons:
        console.print(f"  - {reason}", markup=False)
    if result.version is None:
        console.print("Release: none, a refused candidate gets no version")
    else:
        alias = f", {result.alias}" if result.alias else ""
        console.print(
            f"[bold]Release: {result.version.release}[/] "
            f"(version {result.version.number} of {result.version.domain}{alias})"
        )
    if result.note:
        console.print(f"[bold]Not promoted:[/] {escape(result.note)}")


def _print_places(result: "Retrained", console: Console) -> None:
    reused = [stage.name for stage in result.stages if stage.is_reused]
    if reused:
        console.print(f"Reused, unchanged: {', '.join(reused)}")
    for found in explain(result.domain):
        if found.changed and not found.stage.is_reused:
            console.print(f"Built again: {found.stage.name}, {found.short}", markup=False)
    console.print("Where to look:")
    for what, where in result.places.items():
        console.print(f"  {what:<18} {where}", markup=False, soft_wrap=True)


def print_history(domain: str, events: Sequence["Event"], console: Console) -> None:
    """Every event of a domain, oldest first."""
    if events:
        print_table(console, f"History of {domain}", event_rows(events))
    else:
        console.print(f"{domain} has no history yet.")


def event_rows(events: Sequence["Event"]) -> list[dict[str, Any]]:
    """Who did what to which version, when and why."""
    releases = {event.to_version: event.release for event in events if event.release}
    return [
        {
            "event": event.number,
            "at": event.at,
            "kind": event.kind,
            "from": releases.get(event.from_version) or "",
            "to": releases.get(event.to_version) or "",
            "actor": event.actor,
            "reason": event.why if event.forced else event.reason,
        }
        for event in events
    ]
