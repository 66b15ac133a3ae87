"""Stage 4: the merged model, quantized in every way the profile names, side by side."""

from collections.abc import Sequence
from functools import partial

from tasks.artifacts import quantization_rows, show_table
from tasks.evaluation import Evaluated, Holdout, evaluate
from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.evaluation.rouge import rouge_l
from tuneline.generation import ModelArtifact
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.quantization.comparison import Measured, compare_variants
from tuneline.quantization.method import REFERENCE
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.records import Record, rows_digest
from tuneline.reports import ALL, TASK_SCORE, QuantizationReport
from tuneline.store import StageOutput, code_version, package_versions


def compare_quantizations(
    merged: ModelArtifact, settings: Profile, splits: StageOutput
) -> QuantizationReport:
    """Quantize the merged model, answer the same prompts with every variant, and show the table.

    Each variant is saved and loaded again before it answers: what is measured is what would be
    shipped.
    """
    prompts = Holdout(splits, settings.quantization.max_prompts)
    models = [ModelArtifact(REFERENCE, merged.folder, merged.digest)]
    for name in settings.quantization.variants:
        output = quantize(name, models[0], ())
        models.append(ModelArtifact(name, output.path, output.digest))
    measured = [_measured(model, evaluate(model, settings, prompts)) for model in models]
    report = compare_variants(measured, rouge_l, settings.quantization.similar_from)
    text = f"{report.n_prompts} prompts; exact, similar, different: against {REFERENCE}"
    show_table(settings.domain, "quantizations", quantization_rows(report), text)
    return report


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
        "calibration": rows_digest(calibration) if method.is_calibrated else "",
        **code_version("base_model", "export", *method.modules),
        **package_versions(*method.packages),
    }
    progress = progress_of(f"quantize to {name}")
    progress(0, 1)
    output = store().build("quantize", inputs, lambda out: write(out, calibration))
    progress(1, 1)
    return output


def _measured(model: ModelArtifact, evaluated: Evaluated) -> Measured:
    answers: list[str | None] = evaluated.scores["prediction"].to_list()
    return Measured(
        name=model.name,
        size_mib=QUANTIZATIONS[model.name].inspect(model.folder).size_mib,
        tokens_per_s=evaluated.report.tokens_per_s,
        score=evaluated.report.scores[ALL][TASK_SCORE],
        answers=answers,
    )
