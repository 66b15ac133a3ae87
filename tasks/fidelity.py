"""How near a variant's distributions are to its reference's, its memory and its loading time."""

import shutil
from pathlib import Path
from typing import NamedTuple

from tasks.evaluation import Holdout
from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.generation import ModelArtifact
from tuneline.generation.engine import engine_name, engine_versions
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.quantization.comparison import Rows
from tuneline.quantization.measuring import Bench, Exchange, Measurement
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.records import rows_digest
from tuneline.reports import load_report, save_report
from tuneline.store import StageOutput, code_version, digest_of

MEASUREMENT = "measurement.json"


class Exchanges(NamedTuple):
    """A reference and what it answered: the answers that distributions are compared on."""

    reference: ModelArtifact
    rows: Holdout
    answers: tuple[str | None, ...]

    def list(self) -> list[Exchange]:
        """Prompts with their answers, where there is one."""
        pairs = zip(self.rows.records(), self.answers, strict=True)
        return [Exchange(record.prompt, answer) for record, answer in pairs if answer is not None]


def measure_all(
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
