"""Stage 3: a model's answers on the holdout, their scores, and the comparison of two models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from tasks.artifacts import SLICES_NOTE, metric_rows, score_rows, show_table, slice_rows
from tasks.progress import progress_of
from tasks.speed import SPEED_NOTE, speed_rows
from tasks.stage import stage, store
from tuneline.data.prepare import report_of
from tuneline.evaluation import holdout, regressions
from tuneline.evaluation.answering import answer_records
from tuneline.evaluation.slices import slice_differences
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.generation.engine import engine_name, engine_versions
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.records import Record, read_records, rows_digest
from tuneline.reports import Comparison, EvalReport, Regressions, load_report, save_report
from tuneline.store import StageOutput, code_version, file_digest, package_versions


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
    """Measure every model on the same rows in the same way."""
    rows = Holdout(splits, settings.evaluation.max_records)
    return [evaluate(model, settings, rows) for model in models]


def evaluate(model: ModelArtifact, settings: Profile, rows: Rows) -> Evaluated:
    """Answer rows with a model and score the answers."""
    answers = predict(model, settings.evaluation.generation, rows)
    scored = score(model, settings, rows, answers)
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
def score(model: ModelArtifact, settings: Profile, rows: Rows, answers: StageOutput) -> StageOutput:
    """Score every answer by every metric."""
    records = rows.records()
    digest, asked = rows_digest(records), {record.source for record in records}
    sources = (*settings.data.sources, *settings.data.benchmarks)
    task_metrics = {source.name: source.metric for source in sources if source.name in asked}

    def write(out: Path) -> None:
        predictions = pl.read_parquet(answers.path / holdout.PREDICTIONS)
        scores = holdout.score_records(records, predictions, task_metrics)
        scores.write_parquet(out / holdout.SCORES)
        generation = settings.evaluation.generation
        save_report(
            out / holdout.REPORT,
            holdout.report(model.name, model.digest, scores, predictions, generation, digest),
        )

    inputs = {
        "name": model.name,
        "answers": answers.digest,
        "rows": digest,
        "task_metrics": task_metrics,
        **code_version("evaluation", "significance"),
        **package_versions("rouge-score", "sacrebleu", "rjieba"),
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


def compare(domain: str, evaluated: Sequence[Evaluated], lost: StageOutput) -> list[Comparison]:
    """Compare the last model with each of the others in pairs, and show all tables.

    Args:
        domain: Whose tables they are.
        evaluated: Base, champion where there is one, candidate.
        lost: What the candidate has wrong that the last of the others has right.
    """
    *baselines, candidate = evaluated
    comparisons = [
        replace(
            holdout.compare(candidate.report, base.report, candidate.scores, base.scores),
            slices=slice_differences(candidate.scores, base.scores),
        )
        for base in baselines
    ]
    found = load_report(lost.path / regressions.REPORT, Regressions)
    comparisons[-1] = replace(comparisons[-1], regressions=found)
    for comparison in comparisons:
        name = f"against-{comparison.baseline.name}"
        text = f"candidate against {comparison.baseline.name}: task_score with 95 % intervals"
        show_table(domain, name, score_rows(comparison), text)
        text = f"candidate against {comparison.baseline.name} in every slice; {SLICES_NOTE}"
        show_table(domain, f"slices-{name}", slice_rows(comparison.slices), text)
    show_table(domain, "metrics", metric_rows(comparisons), "Every metric with 95 % intervals")
    show_table(domain, "speed", speed_rows(model.report for model in evaluated), SPEED_NOTE)
    return comparisons
