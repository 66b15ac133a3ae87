"""Stage 4: the merged model, quantized in every way the profile names, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from tasks.artifacts import show_table, show_text
from tasks.evaluation import Evaluated, Holdout, evaluate, predict
from tasks.fidelity import measure_all
from tasks.quantization_text import answer_rows, quantization_markdown
from tasks.stage import network_task, store
from tasks.variants import check, make_all
from tuneline import tracking
from tuneline.base_model import materialize
from tuneline.evaluation.holdout import PREDICTIONS
from tuneline.evaluation.rouge import rouge_l
from tuneline.evaluation.same_answer import same_answers
from tuneline.generation import ModelArtifact
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.quantization.comparison import Judge, Rows
from tuneline.quantization.measuring import Measurement
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.quantization.picture import draw_pareto
from tuneline.quantization.table import AskedAgain, Prompts, Tried, assemble
from tuneline.quantization.unpacked_weights import was_quantized
from tuneline.records import Record, rows_digest
from tuneline.registry import Registry, Version
from tuneline.reports import ALL, TASK_SCORE, QuantizationReport, load_report, save_report
from tuneline.store import StageOutput, code_version, digest_of
from tuneline.training.merging import parity_of

REPORT = "report.json"
PICTURE = "pareto.png"
UNPACKED = (
    "the base model was unpacked from quantized weights, so a variant with more bits is not always "
    "nearer to it than one with fewer"
)


class Compared(NamedTuple):
    """What a comparison gave."""

    report: QuantizationReport
    folder: Path
    """Holds `report.json` and `pareto.png`."""


def compare_quantizations(
    merged: ModelArtifact, settings: Profile, splits: StageOutput, answered: Evaluated | None = None
) -> Compared:
    """Make every variant, ask all of them the same, judge and recommend, and show the table.

    Each variant is saved and loaded again before it answers: what is measured is what would be
    shipped. One model is in memory at a time.

    Args:
        merged: The merged model.
        settings: The profile.
        splits: The data; variants answer the first prompts of its holdout.
        answered: The merged model's answers to more prompts than these, in other batches: they
            serve as its second answers.
    """
    check(settings)
    config = settings.quantization
    rows = Holdout(splits, config.max_prompts)
    models = make_all(merged, settings, splits)
    evaluated = {name: evaluate(model, settings, rows) for name, model in models.items()}
    answers = {name: rows_of(one) for name, one in evaluated.items()}
    measured = measure_all(models, answers, settings, rows)
    tried = [
        _tried(model, evaluated[name], answers[name], measured.get(name))
        for name, model in models.items()
    ]
    again = {
        name: _ask_again(model, settings, rows, answers[name], answered)
        for name, model in models.items()
        if config.noise_floor and QUANTIZATIONS[name].reference == name
    }
    report = _judged(merged, tried, again, settings, rows.records())
    return _show(settings.domain, report)


def judge_of(settings: Profile, records: Sequence[Record]) -> Judge:
    """How answers are compared: by what each source's metric calls the same, else by ROUGE-L."""
    same = {}
    for source in settings.data.sources:
        references = [record.reference for record in records if record.source == source.name]
        if (tells := same_answers(source.metric, references)) is not None:
            same[source.name] = tells
    return Judge(same, rouge_l, settings.quantization.similar_from)


def rows_of(evaluated: Evaluated) -> Rows:
    """A model's answers and scores, in the order of its prompts."""
    scores = evaluated.scores
    return Rows(
        scores["source"].to_list(), scores["prediction"].to_list(), scores[TASK_SCORE].to_list()
    )


def _ask_again(
    model: ModelArtifact,
    settings: Profile,
    rows: Holdout,
    first: Rows,
    answered: Evaluated | None,
) -> AskedAgain:
    """A reference's second answers, from batches that were put together in another way."""
    digests = [record.digest for record in rows.records()]
    if answered is not None and _is_larger(answered, model, digests):
        scores = answered.scores
        found = dict(zip(scores["digest"], scores["prediction"], strict=True))
        how = f"among {len(scores)} prompts instead of {len(digests)}"
    else:
        generation = settings.evaluation.generation
        usual = min(generation.batch_size, len(digests))
        size = max(1, usual // 2)
        other = generation.model_copy(update={"batch_size": size})
        output = predict(model, other, rows)
        predictions = pl.read_parquet(output.path / PREDICTIONS)
        found = dict(zip(predictions["digest"], predictions["prediction"], strict=True))
        how = f"in batches of at most {size} prompts instead of {usual}"
    return AskedAgain(first._replace(answers=[found[digest] for digest in digests]), how)


def _is_larger(answered: Evaluated, model: ModelArtifact, digests: Sequence[str]) -> bool:
    others = set(answered.scores["digest"])
    return answered.report.model == model.digest and others > set(digests)


def _tried(
    model: ModelArtifact, evaluated: Evaluated, rows: Rows, measured: Measurement | None
) -> Tried:
    method = QUANTIZATIONS[model.name]
    return Tried(
        name=model.name,
        method=method,
        folder=str(model.folder),
        digest=model.digest,
        rows=rows,
        score=evaluated.report.scores[ALL][TASK_SCORE],
        tokens_per_s=evaluated.report.tokens_per_s,
        stored=method.inspect(model.folder),
        measured=measured,
    )


def _judged(
    merged: ModelArtifact,
    tried: Sequence[Tried],
    again: Mapping[str, AskedAgain],
    settings: Profile,
    records: Sequence[Record],
) -> StageOutput:
    """Report and picture of what was found, in the store."""
    config, base = settings.quantization, materialize(settings.base_model, store())
    device, parity = this_machine().device, parity_of(merged.folder)

    def write(out: Path) -> None:
        prompts = Prompts(records, judge_of(settings, records), again)
        remarks = (UNPACKED,) if was_quantized(base.folder) else ()
        report = assemble(tried, prompts, config, device, merge_parity=parity, remarks=remarks)
        save_report(out / REPORT, report)
        if report.variants:
            draw_pareto(report, out / PICTURE)

    found = [{**one._asdict(), "method": one.name} for one in tried]
    inputs = {
        "found": digest_of(msgspec.to_builtins([found, again, parity])),
        "rows": rows_digest(records),
        "metrics": {source.name: source.metric for source in settings.data.sources},
        "config": config.model_dump(mode="json"),
        "device": device,
        "base_model": base.digest,
        **code_version("quantization", "evaluation", "significance"),
    }
    return store().build("quantizations", inputs, write)


def _show(domain: str, output: StageOutput) -> Compared:
    """Put report and picture on the run page."""
    report = load_report(output.path / REPORT, QuantizationReport)
    text = f"{report.n_prompts} prompts; exact, similar, different: against the reference"
    show_table(domain, "quantizations", answer_rows(report), text)
    if report.variants:
        page = quantization_markdown(report, output.path / PICTURE)
        show_text(domain, "quantization-report", page)
    return Compared(report, output.path)


@network_task(
    "attach variants", run_name="attach variants to {version.release}", timeout_s=6 * 3600
)
def attach_recommended(version: Version, compared: Compared) -> dict[str, str]:
    """Log the files of every recommended variant with the release; returns variant -> URI."""
    registry = Registry(tracking.tracking_uri())
    chosen = {r.variant for r in compared.report.recommendations}
    log(version.run_id, compared)
    return {
        variant.name: registry.attach(version, variant.name, Path(variant.folder))
        for variant in compared.report.variants
        if variant.name in chosen
    }


def log(run_id: str, compared: Compared) -> None:
    """Log report and picture to an MLflow run."""
    tracking.log_artifacts(run_id, compared.folder, "quantization")
