"""Stage 4: the merged model, quantized in every way the profile names, side by side."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from tasks.artifacts import show_table, show_text
from tasks.evaluation import Evaluated, Holdout, evaluate, predict
from tasks.progress import progress_of
from tasks.quantization_text import answer_rows, quantization_markdown
from tasks.stage import network_task, stage, store
from tuneline import tracking
from tuneline.base_model import materialize
from tuneline.data.prepare import load_splits
from tuneline.errors import QuantizationError
from tuneline.evaluation.holdout import PREDICTIONS
from tuneline.evaluation.rouge import rouge_l
from tuneline.evaluation.same_answer import same_answers
from tuneline.generation import ModelArtifact
from tuneline.generation.engine import engine_name, engine_versions
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.quantization.comparison import Judge, Rows
from tuneline.quantization.measuring import Bench, Exchange, Measurement
from tuneline.quantization.method import REFERENCE
from tuneline.quantization.methods import QUANTIZATIONS, with_needed
from tuneline.quantization.picture import draw_pareto
from tuneline.quantization.table import AskedAgain, Prompts, Tried, assemble
from tuneline.quantization.unpacked_weights import was_quantized
from tuneline.records import Record, rows_digest
from tuneline.registry import Registry, Version
from tuneline.reports import ALL, TASK_SCORE, QuantizationReport, load_report, save_report
from tuneline.store import StageOutput, code_version, digest_of, package_versions
from tuneline.training.merging import parity_of

REPORT = "report.json"
PICTURE = "pareto.png"
MEASUREMENT = "measurement.json"
UNPACKED = (
    "the base model was unpacked from quantized weights, so a variant with more bits is not always "
    "nearer to it than one with fewer"
)


class Compared(NamedTuple):
    """What a comparison gave."""

    report: QuantizationReport
    folder: Path
    """Holds `report.json` and `pareto.png`."""


class Exchanges(NamedTuple):
    """A reference and what it answered: the answers that distributions are compared on."""

    reference: ModelArtifact
    rows: Holdout
    answers: tuple[str | None, ...]

    def list(self) -> list[Exchange]:
        """Prompts with their answers, where there is one."""
        pairs = zip(self.rows.records(), self.answers, strict=True)
        return [Exchange(record.prompt, answer) for record, answer in pairs if answer is not None]


def check(settings: Profile) -> None:
    """Fail before any work where something that a variant needs is not installed.

    Raises:
        QuantizationError: Says what would install it, or which runtime reads it.
    """
    wanted = settings.evaluation.generation.engine
    for name in with_needed(settings.quantization.variants):
        method = QUANTIZATIONS[name]
        method.check_installed(name)
        if method.engine == "transformers" and wanted not in method.engines:
            raise QuantizationError(
                f"quantization {name} is read by {' and '.join(method.engines)} only; set "
                f"evaluation.generation.engine to {method.engines[0]}, or take {name} out of "
                "quantization.variants"
            )


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
    measured = _measure_all(models, answers, settings, rows)
    tried = [
        _tried(model, evaluated[name], answers[name], measured.get(name))
        for name, model in models.items()
    ]
    again = {
        name: _ask_again(model, settings, rows, answers[name], answered)
        for name, model in models.items()
        if config.noise_floor and QUANTIZATIONS[name].reference == name
    }
    base = materialize(settings.base_model, store())
    report = assemble(
        tried,
        Prompts(rows.records(), judge_of(settings, rows.records()), again),
        config,
        this_machine().device,
        merge_parity=parity_of(merged.folder),
        remarks=(UNPACKED,) if was_quantized(base.folder) else (),
    )
    return _show(settings.domain, report)


def make_all(
    merged: ModelArtifact, settings: Profile, splits: StageOutput
) -> dict[str, ModelArtifact]:
    """Every variant that the profile names, and what it is made from and compared with."""
    models = {REFERENCE: ModelArtifact(REFERENCE, merged.folder, merged.digest)}
    names = with_needed(settings.quantization.variants)
    shown: list[Record] = []
    if any(QUANTIZATIONS[name].is_calibrated for name in names):
        sides = load_splits(splits)
        shown = sides.train[: settings.quantization.calibration_records]
    for name in [name for name in names if name != REFERENCE]:
        method = QUANTIZATIONS[name]
        output = quantize(name, models[method.made_from], shown if method.is_calibrated else ())
        models[name] = ModelArtifact(name, output.path, output.digest, engine=method.engine)
    return models if names else {}


@stage("quantize", run_name="quantize to {name}", timeout_s=6 * 3600)
def quantize(name: str, source: ModelArtifact, calibration: Sequence[Record]) -> StageOutput:
    """Quantize a model and save it.

    Args:
        name: Key of `QUANTIZATIONS`.
        source: The variant that it is made from.
        calibration: Training records for a method that looks at some; else empty.
    """
    method = QUANTIZATIONS[name]
    assert method.write is not None  # the merged model itself is not quantized
    write = partial(method.write, source.folder, this_machine())
    inputs = {
        "method": name,
        "source": source.digest,
        "calibration": rows_digest(calibration),
        **code_version("base_model", "export", *method.modules),
        **package_versions(*method.packages),
    }
    progress = progress_of(f"quantize to {name}")
    progress(0, 1)
    output = store().build("quantize", inputs, lambda out: write(out, calibration))
    progress(1, 1)
    return output


@stage("fidelity", run_name="fidelity of {model.name}", timeout_s=6 * 3600)
def fidelity(model: ModelArtifact, exchanges: Exchanges, settings: Profile) -> StageOutput:
    """Load a variant once: time, memory, and its distributions beside the reference's."""
    bench = _bench(exchanges, settings)
    engine = engine_name(model, bench.generation)
    progress = progress_of(f"fidelity of {model.name}")

    def write(out: Path) -> None:
        save_report(out / MEASUREMENT, bench.measure(model, exchanges.reference, progress))

    inputs = {
        "model": model.digest,
        "bench": bench.folder.name,
        **code_version("generation", "base_model", "fidelity", "quantization/measuring"),
        **engine_versions(engine),
    }
    return store().build("fidelity", inputs, write)


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


def _measure_all(
    models: dict[str, ModelArtifact], answers: dict[str, Rows], settings: Profile, rows: Holdout
) -> dict[str, Measurement]:
    """Load and read with every variant, those of one reference behind each other."""
    found: dict[str, Measurement] = {}
    if not settings.quantization.fidelity_tokens:
        return found
    for name in dict.fromkeys(QUANTIZATIONS[name].reference for name in models):
        exchanges = Exchanges(models[name], rows, tuple(answers[name].answers))
        for variant, model in models.items():
            if QUANTIZATIONS[variant].reference == name:
                output = fidelity(model, exchanges, settings)
                found[variant] = load_report(output.path / MEASUREMENT, Measurement)
        shutil.rmtree(_bench(exchanges, settings).folder, ignore_errors=True)
    return found


def _bench(exchanges: Exchanges, settings: Profile) -> Bench:
    machine = this_machine()
    generation = settings.evaluation.generation
    inputs = {
        "reference": exchanges.reference.digest,
        "rows": rows_digest(exchanges.rows.records()),
        "answers": list(exchanges.answers),
        "max_tokens": settings.quantization.fidelity_tokens,
        "engine": generation.engine,
        "machine": f"{machine.device} {machine.dtype_name}",
    }
    folder = store().root / "work" / f"distributions-{digest_of(inputs)[:32]}"
    tokens = settings.quantization.fidelity_tokens
    return Bench(machine, generation, exchanges.list(), tokens, folder)


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


def _show(domain: str, report: QuantizationReport) -> Compared:
    """Keep report and picture, and put both on the run page."""

    def write(out: Path) -> None:
        save_report(out / REPORT, report)
        if report.variants:
            draw_pareto(report, out / PICTURE)

    inputs = {"report": msgspec.to_builtins(report), **code_version("quantization/picture")}
    output = store().build("quantizations", inputs, write)
    text = f"{report.n_prompts} prompts; exact, similar, different: against the reference"
    show_table(domain, "quantizations", answer_rows(report), text)
    if report.variants:
        page = quantization_markdown(report, output.path / PICTURE)
        show_text(domain, "quantization-report", page)
    return Compared(report, output.path)
