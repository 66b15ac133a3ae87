"""The candidate against the models before it: what the rows can show, differences, regressions."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl

from tasks.artifacts import (
    SLICES_NOTE,
    declared_rows,
    gate_rows,
    metric_rows,
    noise_rows,
    score_rows,
    show_table,
    slice_rows,
)
from tasks.evaluation import Evaluated, Holdout, evaluate
from tasks.speed import SPEED_NOTE, speed_rows
from tasks.stage import stage, store
from tuneline.evaluation import comparison, holdout, regressions
from tuneline.evaluation.slices import slice_differences
from tuneline.generation import ModelArtifact
from tuneline.profile import Profile
from tuneline.reports import Comparison, Regressions, load_report, save_report
from tuneline.store import StageOutput, code_version, file_digest

COMPARISON = "comparison.json"
GAINS = "gains.json"


def evaluate_all(
    models: Sequence[ModelArtifact], settings: Profile, splits: StageOutput
) -> list[Evaluated]:
    """Measure every model on the same rows in the same way, the candidate last.

    What the rows can show is declared between the baseline's answers and the candidate's.
    """
    rows = Holdout(splits, settings.evaluation.max_records)
    repeats = settings.evaluation.noise_repeats
    *baselines, candidate = models
    measured = [evaluate(model, settings, rows, repeats) for model in baselines]
    if measured:
        declare(settings, measured[-1])
    return [*measured, evaluate(candidate, settings, rows, repeats)]


def declare(settings: Profile, baseline: Evaluated) -> None:
    """Show the least gain that the holdout can show; it rests on the baseline alone."""
    gate = settings.gate

    def write(out: Path) -> None:
        gains = comparison.detectable_gains(baseline.scores, gate.certainty, len(gate.thresholds))
        save_report(out / GAINS, gains)

    inputs = {
        "baseline": file_digest(baseline.folder / holdout.SCORES),
        "certainty": asdict(gate.certainty),
        "metrics": len(gate.thresholds),
        **code_version("evaluation/comparison", "significance"),
    }
    output = store().build("detectable", inputs, write)
    gains = load_report(output.path / GAINS, dict[str, float | None])
    text = (
        f"Declared before the candidate answered: a gain in task_score over "
        f"{baseline.report.name} of this size or more is found with a chance of {gate.power:.0%}"
    )
    show_table(settings.domain, "detectable", declared_rows(baseline.report, gains), text)


@stage("regressions", timeout_s=3600)
def list_regressions(settings: Profile, candidate: Path, baseline: Path) -> StageOutput:
    """List the rows that a baseline has right and the candidate does not.

    Args:
        settings: Say from which score an answer is right.
        candidate: Folder with its scores.
        baseline: Folder with the baseline's.
    """
    right_from = settings.evaluation.right_from

    def write(out: Path) -> None:
        ours, theirs = (pl.read_parquet(path / holdout.SCORES) for path in (candidate, baseline))
        found = regressions.save_regressions(out, ours, theirs, right_from)
        save_report(out / regressions.REPORT, found)

    inputs = {
        "candidate": file_digest(candidate / holdout.SCORES),
        "baseline": file_digest(baseline / holdout.SCORES),
        "right_from": right_from,
        **code_version("evaluation/regressions"),
    }
    return store().build("regressions", inputs, write)


@stage("comparison", run_name="comparison with {baseline.report.name}", timeout_s=3600)
def compare_with(baseline: Evaluated, candidate: Evaluated, settings: Profile) -> StageOutput:
    """Compare a candidate with one baseline, over all and in slices."""
    gate = settings.gate

    def write(out: Path) -> None:
        models = (candidate.report, baseline.report, candidate.scores, baseline.scores)
        found = comparison.compare(*models, gate.certainty, gate.thresholds)
        slices = slice_differences(candidate.scores, baseline.scores, gate.certainty)
        save_report(out / COMPARISON, replace(found, slices=slices))

    files = [
        model.folder / name
        for model in (candidate, baseline)
        for name in (holdout.REPORT, holdout.SCORES)
    ]
    inputs = {
        "measured": [file_digest(file) for file in files],
        "certainty": asdict(gate.certainty),
        "thresholds": dict(gate.thresholds),
        **code_version("evaluation", "significance", "language", "records"),
    }
    return store().build("comparison", inputs, write)


def compare(
    settings: Profile, evaluated: Sequence[Evaluated], lost: StageOutput
) -> list[Comparison]:
    """Compare the last model with each of the others in pairs, and show all tables.

    Args:
        settings: Say what the gate asks for, and whose tables they are.
        evaluated: Base, champion where there is one, candidate.
        lost: What the candidate has wrong that the last of the others has right.
    """
    *baselines, candidate = evaluated
    comparisons = [
        load_report(compare_with(base, candidate, settings).path / COMPARISON, Comparison)
        for base in baselines
    ]
    found = load_report(lost.path / regressions.REPORT, Regressions)
    comparisons[-1] = replace(comparisons[-1], regressions=found)
    _show(settings, comparisons)
    reports = [model.report for model in evaluated]
    if noise := noise_rows(reports):
        text = "The same model once more, in other batches: a gain below this cannot be told"
        show_table(settings.domain, "noise", noise, text)
    show_table(settings.domain, "speed", speed_rows(reports), SPEED_NOTE)
    return comparisons


def _show(settings: Profile, comparisons: Sequence[Comparison]) -> None:
    domain, intervals = settings.domain, f"{1 - settings.gate.alpha:.0%} intervals"
    for found in comparisons:
        name, models = f"against-{found.baseline.name}", f"candidate against {found.baseline.name}"
        show_table(domain, name, score_rows(found), f"{models}: task_score with {intervals}")
        text = f"{models} in every slice; {SLICES_NOTE}"
        show_table(domain, f"slices-{name}", slice_rows(found.slices), text)
        if len(found.metrics) > 1:
            text = f"{models}: the gate's metrics with {intervals}, judged together"
            show_table(domain, f"gate-{name}", gate_rows(found), text)
    show_table(domain, "metrics", metric_rows(comparisons), f"Every metric with {intervals}")
