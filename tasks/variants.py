"""Every variant that the profile names, made from the merged model."""

from collections.abc import Sequence
from functools import partial

from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.data.prepare import load_splits
from tuneline.errors import QuantizationError
from tuneline.generation import ModelArtifact
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.quantization.method import REFERENCE
from tuneline.quantization.methods import QUANTIZATIONS, with_needed
from tuneline.records import Record, rows_digest
from tuneline.store import StageOutput, code_version, package_versions


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


@stage("quantize", run_name="quantize to {name}", timeout_s=6 * 3600, holds_model=True)
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
