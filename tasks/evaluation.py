"""Stage 3: a model's answers on the holdout, and their scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import polars as pl

from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.data.prepare import report_of
from tuneline.evaluation import holdout
from tuneline.evaluation.answering import answer_records
from tuneline.evaluation.metrics import chosen_metrics
from tuneline.evaluation.noise import noise_floor
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.generation.engine import engine_name, engine_versions
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.records import Record, read_records, rows_digest
from tuneline.reports import EvalReport, load_report, save_report
from tuneline.store import StageOutput, code_version


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
