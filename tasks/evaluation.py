"""Stage 3: a model's answers on the holdout, their scores, and the comparison of two models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

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
from tasks.progress import progress_of
from tasks.speed import SPEED_NOTE, speed_rows
from tasks.stage import stage, store
from tuneline.data.prepare import report_of
from tuneline.evaluation import comparison, holdout, regressions
from tuneline.evaluation.answering import answer_records
from tuneline.evaluation.metrics import chosen_metrics
from tuneline.evaluation.noise import noise_floor
from tuneline.evaluation.slices import slice_differences
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.generation.engine import engine_name, engine_versions
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.records import Record, read_records, rows_digest
from tuneline.reports import Comparison, EvalReport, Regressions, load_report, save_report
from tuneline.store import StageOutput, code_version, file_digest


class Rows(Protocol):
    """What a model is asked."""

    def records(self) -> list[Record]:
        """Read the rows."""


class Holdout(NamedTuple):
    """The rows that models are measured on: a reference, never the rows."""

    splits: StageOutput
    n: int | None
    """The first by digest, so that the choice never moves; None for all."""

    def records(self) -> list[Record]:
        """Read the rows."""
        report = report_of(self.splits)
        rows = read_records(self.splits.path / "holdout.parquet")
        return holdout.certified(rows, report.certificate)[: self.n]


class Evaluated(NamedTuple):
    """A model's report, and its scores and answers per record."""

    report: EvalReport
    scores: pl.DataFrame
    folder: Path
    """Holds `report.json` and `scores.parquet`."""


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
    gains = comparison.detectable_gains(baseline.scores, gate.certainty, len(gate.thresholds))
    text = (
        f"Declared before the candidate answered: a gain in task_score over "
        f"{baseline.report.name} of this size or more is found with a chance of {gate.power:.0%}"
    )
    show_table(settings.domain, "detectable", declared_rows(baseline.report, gains), text)


def evaluate(model: ModelArtifact, settings: Profile, rows: Rows, n_repeats: int = 0) -> Evaluated:
    """Answer rows with a model and score the answers.

    Args:
        model: What answers.
        settings: The profile.
        rows: What is asked.
        n_repeats: Times to answer once more, in other batches, for the noise floor.
    """
    how = settings.evaluation.generation
    answers = predict(model, how, rows)
    repeats = [
        predict(model, how.model_copy(update={"batch_seed": seed, "perplexity": False}), rows)
        for seed in range(how.batch_seed + 1, how.batch_seed + 1 + n_repeats)
    ]
    scored = score(model, settings, rows, answers, repeats)
    report = load_report(scored.path / holdout.REPORT, EvalReport)
    return Evaluated(report, pl.read_parquet(scored.path / holdout.SCORES), scored.path)


@stage("answers", run_name="answers of {model.name}", timeout_s=12 * 3600)
def predict(model: ModelArtifact, generation: GenerationConfig, rows: Rows) -> StageOutput:
    """Generate one answer per record; a run that was killed goes on behind its last batch."""
    records = rows.records()

    def write(out: Path) -> None:
        with Generator.load(model, this_machine(), generation) as generator:
            answer_records(generator, records, out, progress_of(f"answers of {model.name}"))

    machine = this_machine()
    engine = engine_name(model, generation)
    inputs = {
        "model": model.digest,
        "rows": rows_digest(records),
        "generation": generation.model_dump(mode="json"),
        "engine": engine,
        "machine": f"{machine.device} {machine.dtype_name} {machine.attention}",
        **code_version("generation", "evaluation/answering", "base_model"),
        **engine_versions(engine),
    }
    return store().build("answers", inputs, write, keeps_partial=True)


@stage("scores", run_name="scores of {model.name}", timeout_s=3600)
def score(
    model: ModelArtifact,
    settings: Profile,
    rows: Rows,
    answers: StageOutput,
    repeats: Sequence[StageOutput] = (),
) -> StageOutput:
    """Score every answer by every metric, and how far repeats move the scores."""
    how = settings.evaluation
    records = rows.records()
    digest, asked = rows_digest(records), {record.source for record in records}
    sources = (*settings.data.sources, *settings.data.benchmarks)
    task_metrics = {source.name: source.metric for source in sources if source.name in asked}
    metrics = chosen_metrics(task_metrics.values(), how)

    alpha = settings.gate.alpha

    def scores_of(answered: StageOutput) -> pl.DataFrame:
        predictions = pl.read_parquet(answered.path / holdout.PREDICTIONS)
        return holdout.score_records(records, predictions, task_metrics, how)

    def write(out: Path) -> None:
        predictions = pl.read_parquet(answers.path / holdout.PREDICTIONS)
        scores = scores_of(answers)
        scores.write_parquet(out / holdout.SCORES)
        report = holdout.report(
            model.name, model.digest, scores, predictions, how, digest, task_metrics, alpha
        )
        if repeats:
            report = replace(report, noise=noise_floor(scores, [scores_of(r) for r in repeats]))
        save_report(out / holdout.REPORT, report)

    inputs = {
        "name": model.name,
        "answers": answers.digest,
        "repeats": [repeat.digest for repeat in repeats],
        "alpha": alpha,
        "rows": digest,
        "task_metrics": task_metrics,
        "metrics": [metric.identity(name, "", "") for name, metric in metrics.items()],
        "generation": how.generation.decoding,
        **code_version("evaluation", "significance"),
    }
    return store().build("scores", inputs, write)


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
        replace(
            comparison.compare(
                candidate.report,
                base.report,
                candidate.scores,
                base.scores,
                settings.gate.certainty,
                settings.gate.thresholds,
            ),
            slices=slice_differences(candidate.scores, base.scores, settings.gate.certainty),
        )
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
